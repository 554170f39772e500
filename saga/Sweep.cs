using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>Runs a sweep again and again, for as long as the process lives.</summary>
/// <param name="name">What is swept, as metrics and log name it.</param>
/// <param name="period">Between the end of one and the start of the next.</param>
internal sealed class PeriodicSweep(string name, Func<CancellationToken, Task> run, TimeSpan period, TimeProvider clock, ILogger<PeriodicSweep> log) : BackgroundService
{
    private readonly FaultLog outages = new($"Sweeps of {name}", clock, log, overWhenQuiet: false);
    private readonly FaultLog bugs = new($"Sweeps of {name}", clock, log, overWhenQuiet: false);

    /// <summary>A timestamp: the end of the last run that succeeded; the start before there was one.</summary>
    private long succeeded;

    /// <summary>"order" of OrderSweep, "product" of HoldSweep&lt;Product&gt;.</summary>
    public static string NameOf(Type sweep) =>
        (sweep.IsGenericType ? sweep.GenericTypeArguments[0].Name : sweep.Name.Replace(nameof(PeriodicSweep), "", StringComparison.Ordinal)).ToLowerInvariant();

    public override void Dispose()
    {
        outages.Dispose();
        bugs.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Volatile.Write(ref succeeded, clock.GetTimestamp());
        SagaMetrics.Show(name, () => clock.GetElapsedTime(Volatile.Read(ref succeeded)));
        try
        {
            using var timer = new PeriodicTimer(period, clock);
            while (await timer.WaitForNextTickAsync(stoppingToken)) await RunOnceAsync(stoppingToken);
        }
        finally
        {
            SagaMetrics.Hide(name);
        }
    }

    private async Task RunOnceAsync(CancellationToken ct)
    {
        // Looking around is nobody's; what is then done begins a trace of its own.
        using var looking = SagaTracing.Suppress();
        try
        {
            await run(ct);
            Volatile.Write(ref succeeded, clock.GetTimestamp());
            outages.Over();
            bugs.Over();
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            SagaMetrics.CountFailure(name);
            var problem = Faults.CauseOf(fault);
            if (Faults.IsTransient(fault))
            {
                if (outages.Begins("no answer", problem)) SagaLog.SweepFailed(log, null, name, period, problem);
            }
            else if (bugs.Begins(fault.GetType().Name, problem)) SagaLog.SweepFailed(log, fault, name, period, problem);
        }
    }
}
