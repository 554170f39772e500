using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Saga.State;
using Saga.Telemetry;

namespace Saga.OpenOrders;

/// <summary>Runs a sweep periodically.</summary>
/// <param name="name">The label of the sweep in metrics and log.</param>
/// <param name="period">From the end of a run to the start of the next.</param>
internal sealed class PeriodicSweep(
    string name, Func<CancellationToken, Task> run, TimeSpan period, TimeProvider clock, ILogger<PeriodicSweep> log)
    : BackgroundService
{
    private readonly FaultLog outages = new($"Sweeps of {name}", clock, log, overWhenQuiet: false);
    private readonly FaultLog bugs = new($"Sweeps of {name}", clock, log, overWhenQuiet: false);

    /// <summary>Timestamp of the end of the last successful run; of the start before there was one.</summary>
    private long succeeded;

    /// <summary>"order" for OrderSweep, "product" for ReservationSweep&lt;Product&gt;.</summary>
    public static string GetName(Type sweep) =>
        (sweep.IsGenericType ? sweep.GenericTypeArguments[0].Name : sweep.Name.Replace("Sweep", "", StringComparison.Ordinal)).ToLowerInvariant();

    public override void Dispose()
    {
        outages.Dispose();
        bugs.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Volatile.Write(ref succeeded, clock.GetTimestamp());
        SagaMetrics.AddSweep(name, () => clock.GetElapsedTime(Volatile.Read(ref succeeded)));
        try
        {
            using var timer = new PeriodicTimer(period, clock);
            while (await timer.WaitForNextTickAsync(stoppingToken)) await RunOnceAsync(stoppingToken);
        }
        finally
        {
            SagaMetrics.RemoveSweep(name);
        }
    }

    private async Task RunOnceAsync(CancellationToken ct)
    {
        // The reads of a sweep are not traced; what it then does starts a trace of its own.
        using var looking = SagaTracing.Suppress();
        try
        {
            await run(ct);
            Volatile.Write(ref succeeded, clock.GetTimestamp());
            outages.Over();
            bugs.Over();
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            // A call that was cancelled ends as an RpcException, which the host would take for a failure.
            throw new OperationCanceledException(ct);
        }
        catch (Exception fault)
        {
            SagaMetrics.CountFailure(name);
            var problem = Faults.GetCause(fault);
            if (Faults.IsTransient(fault))
            {
                if (outages.Begins("no answer", problem)) SagaLog.SweepFailed(log, null, name, period, problem);
            }
            else if (bugs.Begins(fault.GetType().Name, problem)) SagaLog.SweepFailed(log, fault, name, period, problem);
        }
    }
}
