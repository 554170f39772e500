using Microsoft.Extensions.Logging;

namespace Saga.Telemetry;

/// <summary>
/// Rate-limits the log of an outage: the caller logs its first fault, further ones are counted and summarized every 10 s, and the end of the
/// outage is logged too.
/// </summary>
/// <param name="what">What fails, in the plural: "Calls", "Sweeps of order".</param>
/// <param name="overWhenQuiet">A period without a fault ends the outage. False: only <see cref="Over"/> does.</param>
internal sealed class FaultLog(string what, TimeProvider clock, ILogger log, bool overWhenQuiet) : IDisposable
{
    /// <summary>Between two summaries of one outage.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly Lock gate = new();
    private readonly SortedDictionary<string, int> counts = [];
    private ITimer? timer;
    private long begun;
    private int total;
    private string last = "";

    /// <param name="kind">The counts are broken down by it, such as the called method. Low cardinality.</param>
    /// <param name="problem">One sentence.</param>
    /// <returns>True: it is the first fault of an outage, and the caller logs it. False: it was counted.</returns>
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
            // The summary must not inherit the trace of the first call.
            using (ExecutionContext.SuppressFlow()) timer = clock.CreateTimer(_ => SumUp(), null, Period, Period);
            return true;
        }
    }

    /// <summary>Ends the outage, if there is one. Call it after every success.</summary>
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
                SagaLog.FaultsGoOn(
                    log, what, counts.Values.Sum(), Period.TotalSeconds, string.Join(", ", counts.Select(one => $"{one.Key} {one.Value}")), last);
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
