using Grpc.AspNetCore.HealthChecks;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Microsoft.Extensions.DependencyInjection;

public static class GrpcHealthChecksServiceExtensions
{
    /// <returns>Where the checks themselves are added.</returns>
    public static IHealthChecksBuilder AddGrpcHealthChecks(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton<PublishedHealth>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHealthCheckPublisher, PublishedHealth>(
            provider => provider.GetRequiredService<PublishedHealth>()));
        services.Configure<GrpcHealthChecksOptions>(options => options.Services.Map("", _ => true));
        return services.AddHealthChecks();
    }

    /// <inheritdoc cref="AddGrpcHealthChecks(IServiceCollection)"/>
    public static IHealthChecksBuilder AddGrpcHealthChecks(this IServiceCollection services, Action<GrpcHealthChecksOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var builder = services.AddGrpcHealthChecks();
        services.Configure(configure);
        return builder;
    }
}
