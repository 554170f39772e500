using Dapr.Client;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Microsoft.Extensions.DependencyInjection;

public static class DaprServiceCollectionExtensions
{
    /// <summary>One client for the whole application.</summary>
    public static void AddDaprClient(this IServiceCollection services, Action<DaprClientBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(_ =>
        {
            var builder = new DaprClientBuilder();
            configure?.Invoke(builder);
            return builder.Build();
        });
    }
}
