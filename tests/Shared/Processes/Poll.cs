using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Shared;

/// <summary>Waits for conditions of other processes that can only be polled.</summary>
internal static class Poll
{
    private static readonly TimeSpan WaitTimeout = TimeSpan.FromSeconds(90), Interval = TimeSpan.FromMilliseconds(10);

    /// <exception cref="TimeoutException">The condition was not true within 90 s.</exception>
    public static Task UntilAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string text = "") =>
        UntilAsync(condition, () => text);

    public static Task UntilAsync(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string text = "") =>
        UntilAsync(() => Task.FromResult(condition()), text);

    /// <param name="describe">Says what is not as it should be, when it is too late.</param>
    /// <exception cref="TimeoutException">The condition was not true within 90 s.</exception>
    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string> describe)
    {
        for (var since = Stopwatch.StartNew(); !await condition(); await Task.Delay(Interval))
        {
            if (since.Elapsed > WaitTimeout) throw new TimeoutException($"Not true within {WaitTimeout.TotalSeconds} s: {describe()}");
        }
    }
}
