using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Saga.OpenOrders;
using Saga.Telemetry;

namespace Saga.Hosting;

/// <summary>
/// The end of a process, after SIGTERM. It is not ready from then on, and its streams end; everything else is served on for Saga:DrainDelay, so that
/// callers and the sidecar can turn to other instances. Then it listens no more, and finishes what is in progress. At last it leaves its log of open
/// orders, so that another instance takes it over at its next sweep.
/// </summary>
/// <param name="openOrders">Null: it has none.</param>
internal sealed class Drain(SagaOptions options, OpenOrderLog? openOrders, TimeProvider clock, ILogger<Drain> log) : IHostedLifecycleService
{
    /// <summary>
    /// For what is in progress after Saga:DrainDelay: longer than a call to the sidecar (15 s) and than an order of PayOrder takes. What takes longer is
    /// aborted: its caller gets an error, and an event is redelivered.
    /// </summary>
    public static readonly TimeSpan FinishTimeout = TimeSpan.FromSeconds(20);

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Runs before the server stops.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        SagaLog.Draining(log, options.DrainDelay.TotalSeconds);
        await Task.Delay(options.DrainDelay, clock, cancellationToken);
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Runs after the server and the sweeps have stopped.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (openOrders is null) return;
        try
        {
            await openOrders.LeaveAsync(cancellationToken);
        }
        catch (Exception fault)
        {
            SagaLog.LogNotLeft(log, OpenOrderLog.HeartbeatTimeout.TotalSeconds, fault.Message);
        }
    }
}
