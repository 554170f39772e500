using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Saga.Tests;

/// <summary>A process that is asked to stop while it starts, as when another one of the same run has failed.</summary>
public sealed class StopWhileStartingTests
{
    [Fact]
    public async Task It_ends_without_an_unhandled_exception() => Assert.Equal(0, await SagaHost.RunToExitAsync(() =>
    {
        var builder = SagaHost.CreateBuilder(["--OTEL_SDK_DISABLED=true"], "stock", FreePort.Take());
        builder.Services.AddHostedService<StopsItself>();
        return builder.Build();
    }));

    private sealed class StopsItself(IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken ct)
        {
            lifetime.StopApplication();
            return Task.Delay(Timeout.Infinite, ct);
        }

        public Task StopAsync(CancellationToken ct) => Task.CompletedTask;
    }
}
