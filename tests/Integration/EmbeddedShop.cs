using Traces;

namespace Integration;

/// <summary>
/// A shop without Redis, with all state in the memory of the runner; with another exporter or protocol in each service, and with Zipkin in the
/// sidecars, so that all spans arrive at one collector; and with a proxy in the environment at which nothing listens.
/// </summary>
public sealed class EmbeddedShop() : RunningShop(embedded: true)
{
    /// <summary>Values of OTEL_TRACES_EXPORTER and OTEL_EXPORTER_OTLP_PROTOCOL by app id.</summary>
    internal static readonly IReadOnlyDictionary<string, (string Exporters, string Protocol)> Exports = new Dictionary<string, (string, string)>
    {
        ["orders"] = ("zipkin,otlp", "grpc"),
        ["stock"] = ("otlp", "grpc"),
        ["payments"] = ("otlp", "http/protobuf"),
        ["coupons"] = ("zipkin", "http/protobuf"),
    };

    internal Collector Collector { get; private set; } = null!;

    internal OtlpCollector Otlp { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Otlp = await OtlpCollector.StartAsync(Collector);
        Zipkin = Collector.Endpoint;
        foreach (var name in (string[])["http_proxy", "https_proxy", "all_proxy"]) Environment[name] = "http://localhost:1";
        Environment["OTEL_METRICS_EXPORTER"] = "otlp";
        Environment["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        foreach (var (appId, (exporters, protocol)) in Exports)
        {
            EnvironmentByApp[appId] = new()
            {
                ["OTEL_TRACES_EXPORTER"] = exporters,
                ["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol,
                ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Otlp.GetEndpoint(protocol),
            };
        }
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Otlp.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

[CollectionDefinition(nameof(OnEmbedded))]
public sealed class OnEmbedded : ICollectionFixture<EmbeddedShop>;
