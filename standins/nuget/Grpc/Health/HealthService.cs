using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Grpc.AspNetCore.HealthChecks;

/// <summary>grpc.health.v1 over ASP.NET Core's health checks.</summary>
internal sealed class HealthService(
    HealthCheckService checks,
    PublishedHealth published,
    IOptions<GrpcHealthChecksOptions> options,
    IHostApplicationLifetime lifetime) : Health.V1.Health.HealthBase
{
    public override async Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context)
    {
        var service = options.Value.Services.Find(request.Service)
            ?? throw new RpcException(new Status(StatusCode.NotFound, $"There is no health of a service '{request.Service}'."));
        return new() { Status = await StatusOfAsync(service, context.CancellationToken) };
    }

    public override async Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var service = options.Value.Services.Find(request.Service);
        var next = published.Next;
        var status = service is null ? ServingStatus.ServiceUnknown : await StatusOfAsync(service, context.CancellationToken);
        await responseStream.WriteAsync(new() { Status = status });

        try
        {
            while (true)
            {
                var report = await next.WaitAsync(stopping.Token);
                next = published.Next;
                var now = service is null ? ServingStatus.ServiceUnknown : StatusOf(service, report);
                if (now != status)
                {
                    status = now;
                    await responseStream.WriteAsync(new() { Status = status });
                }
            }
        }
        catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
        {
            await responseStream.WriteAsync(new() { Status = ServingStatus.NotServing });
        }
    }

    private async Task<ServingStatus> StatusOfAsync(ServiceMapping service, CancellationToken cancellationToken)
    {
        if (options.Value.UseHealthChecksCache)
        {
            return published.Latest is { } report ? StatusOf(service, report) : ServingStatus.Unknown;
        }

        return StatusOf(service, await checks.CheckHealthAsync(check => service.Includes(check.Name, check.Tags), cancellationToken));
    }

    private static ServingStatus StatusOf(ServiceMapping service, HealthReport report)
    {
        var status = ServingStatus.Unknown;
        foreach (var (name, entry) in report.Entries)
        {
            if (service.Includes(name, entry.Tags))
            {
                if (entry.Status == HealthStatus.Unhealthy)
                {
                    return ServingStatus.NotServing;
                }

                status = ServingStatus.Serving;
            }
        }

        return status;
    }
}
