using System.Diagnostics;

namespace Bench;

internal static class Load
{
    private const int PacedWorkers = 16;

    /// <summary>Runs the calls as fast as possible, at most <paramref name="atOnce"/> at a time.</summary>
    public static Task ConcurrentAsync(int count, int atOnce, Func<int, Task> work)
    {
        var next = -1;
        return Task.WhenAll(Enumerable.Range(0, atOnce).Select(async _ =>
        {
            for (int number; (number = Interlocked.Increment(ref next)) < count;) await work(number);
        }));
    }

    /// <summary>Starts calls at an even rate, whether or not earlier ones have completed.</summary>
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
