using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>Runs a sweep again and again, for as long as the process lives.</summary>
/// <param name="period">Between the end of one and the start of the next.</param>
internal sealed class Sweep(Func<CancellationToken, Task> run, TimeSpan period, TimeProvider clock, ILogger<Sweep> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(period, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            // Looking around is nobody's; what is then done begins a trace of its own.
            using var looking = SagaTrace.Nobodys();
            try
            {
                await run(stoppingToken);
            }
            catch (Exception fault) when (!stoppingToken.IsCancellationRequested)
            {
                SagaLog.SweepFailed(log, fault, period);
            }
        }
    }
}
