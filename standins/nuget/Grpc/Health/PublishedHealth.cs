using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>Hears ASP.NET Core's periodic health reports and passes them on to whoever watches.</summary>
internal sealed class PublishedHealth : IHealthCheckPublisher
{
    private TaskCompletionSource<HealthReport> next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile HealthReport? latest;

    public HealthReport? Latest => latest;

    public Task<HealthReport> Next => Volatile.Read(ref next).Task;

    public Task PublishAsync(HealthReport report, CancellationToken cancellationToken)
    {
        latest = report;
        Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult(report);
        return Task.CompletedTask;
    }
}
