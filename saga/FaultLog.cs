using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>
/// Logs faults that are repeated: the first is logged by its caller, the following are counted and summed up every 10 s, and their end is
/// logged too. An outage fails every call that is made, and none of them says anything new.
/// </summary>
/// <param name="what">What fails, in the plural: "Calls", "Sweeps of orders".</param>
/// <param name="overWhenQuiet">A period without a fault is the end. False: only <see cref="Over"/> is.</param>
public sealed class FaultLog(string what, TimeProvider clock, ILogger log, bool overWhenQuiet) : IDisposable
{
    /// <summary>Between two lines about the same outage.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly SortedDictionary<string, int> counts = [];
    private ITimer? timer;
    private long begun;
    private int total;
    private string last = "";

    /// <param name="kind">What the counts are broken down by, such as the method called. Of few values.</param>
    /// <param name="problem">One sentence.</param>
    /// <returns>True: it is the first, and the caller logs it. False: it is counted.</returns>
    public bool Begins(string kind, string problem)
    {
        lock (gate)
        {
            total++;
            last = problem;
            if (timer is not null)
            {
                counts[kind] = counts.GetValueOrDefault(kind) + 1;
                return false;
            }
            (begun, total) = (clock.GetTimestamp(), 1);
            // The summary is about many calls, not about the one that happened to be the first.
            using (ExecutionContext.SuppressFlow()) timer = clock.CreateTimer(_ => SumUp(), null, Period, Period);
            return true;
        }
    }

    /// <summary>It works again. To be called after every success; does nothing unless something failed before.</summary>
    public void Over()
    {
        lock (gate)
        {
            if (timer is not null) End();
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            timer?.Dispose();
            timer = null;
        }
    }

    private void SumUp()
    {
        lock (gate)
        {
            if (timer is null) return;
            if (counts.Count > 0)
            {
                SagaLog.FaultsGoOn(log, what, counts.Values.Sum(), Period.TotalSeconds, string.Join(", ", counts.Select(one => $"{one.Key} {one.Value}")), last);
                counts.Clear();
            }
            else if (overWhenQuiet) End();
        }
    }

    private void End()
    {
        timer!.Dispose();
        timer = null;
        counts.Clear();
        SagaLog.FaultsOver(log, what, total, clock.GetElapsedTime(begun).TotalSeconds);
    }
}
