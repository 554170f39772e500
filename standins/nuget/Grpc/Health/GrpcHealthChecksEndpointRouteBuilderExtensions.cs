using Grpc.AspNetCore.HealthChecks;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

public static class GrpcHealthChecksEndpointRouteBuilderExtensions
{
    /// <exception cref="InvalidOperationException">AddGrpcHealthChecks() was not called.</exception>
    public static GrpcServiceEndpointConventionBuilder MapGrpcHealthChecksService(this IEndpointRouteBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.ServiceProvider.GetService<PublishedHealth>() is not null
            ? builder.MapGrpcService<HealthService>()
            : throw new InvalidOperationException(
                "gRPC health checks are not registered: call services.AddGrpcHealthChecks() before MapGrpcHealthChecksService().");
    }
}
