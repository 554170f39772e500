using Grpc.Reflection;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

public static class GrpcReflectionEndpointRouteBuilderExtensions
{
    /// <summary>Describes every service mapped in this application, itself included, as v1 and as v1alpha.</summary>
    /// <exception cref="InvalidOperationException">AddGrpcReflection() was not called.</exception>
    public static IEndpointConventionBuilder MapGrpcReflectionService(this IEndpointRouteBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (builder.ServiceProvider.GetService<ReflectionAnswers>() is null)
        {
            throw new InvalidOperationException(
                "gRPC reflection is not registered: call services.AddGrpcReflection() before MapGrpcReflectionService().");
        }

        return new GrpcServiceEndpointConventionBuilder(
            [builder.MapGrpcService<ReflectionV1Service>(), builder.MapGrpcService<ReflectionV1AlphaService>()]);
    }
}
