using System.Diagnostics;

namespace Bench;

internal static class Load
{
    private const int PacedWorkers = 16;

    /// <summary>As fast as it goes with so many at once.</summary>
    public static Task TogetherAsync(int count, int atOnce, Func<int, Task> work)
    {
        var next = -1;
        return Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            for (int number; (number = Interlocked.Increment(ref next)) < count;) await work(number);
        }));
    }

    /// <summary>So many a second, spread evenly, whether or not the ones before are done.</summary>
    public static Task PacedAsync(int count, int perSecond, Func<int, Task> work)
    {
        var started = Stopwatch.GetTimestamp();
        return Task.WhenAll(Enumerable.Range(0, PacedWorkers).Select(async worker =>
        {
            var under = new List<Task>();
            for (var number = worker; number < count; number += PacedWorkers)
            {
                var early = TimeSpan.FromSeconds((double)number / perSecond) - Stopwatch.GetElapsedTime(started);
                if (early > TimeSpan.Zero) await Task.Delay(early);
                under.Add(work(number));
            }

            await Task.WhenAll(under);
        }));
    }
}
