using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

public static class GrpcEndpointRouteBuilderExtensions
{
    /// <summary>Serves every method that <typeparamref name="TService"/> inherits from its generated base.</summary>
    /// <exception cref="InvalidOperationException">AddGrpc() was not called, or the type has no generated base.</exception>
    public static GrpcServiceEndpointConventionBuilder MapGrpcService<TService>(this IEndpointRouteBuilder builder)
        where TService : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        var mapped = builder.ServiceProvider.GetService<MappedServices>() ?? throw new InvalidOperationException(
            $"gRPC is not registered: call services.AddGrpc() before MapGrpcService<{typeof(TService).Name}>().");

        var binder = new ServiceMethods<TService>(mapped);
        GeneratedService.Of(typeof(TService)).Bind(binder);

        var endpoints = new List<IEndpointConventionBuilder>();
        foreach (var method in binder.Methods)
        {
            var endpoint = builder.MapPost(method.Description.FullName, method.HandleAsync);
            endpoint.WithDisplayName($"gRPC - {method.Description.FullName}");
            endpoint.WithMetadata(new GrpcMethodMetadata(typeof(TService), method.Description));
            endpoints.Add(endpoint);
        }

        if (mapped.Options.IgnoreUnknownServices != true)
        {
            foreach (var service in binder.Methods.Select(method => method.Description.ServiceName).Distinct())
            {
                builder.Map(Unknown($"{service}/{{method}}"), UnknownMethod.HandleAsync)
                    .WithDisplayName($"gRPC - {service}: unknown method");
            }

            if (mapped.ClaimUnknownServices())
            {
                builder.Map(Unknown("{service}/{method}"), UnknownMethod.HandleAsync).WithDisplayName("gRPC - unknown service");
            }
        }

        return new GrpcServiceEndpointConventionBuilder(endpoints);
    }

    private static RoutePattern Unknown(string pattern) => RoutePatternFactory.Parse(
        pattern, defaults: null, parameterPolicies: new RouteValueDictionary { ["method"] = new GrpcRequestConstraint() });
}
