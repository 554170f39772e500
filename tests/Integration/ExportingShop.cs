using Traces;

namespace Integration;

/// <summary>The embedded shop with configurable exporters in the services, and with Zipkin in the sidecars; all spans arrive at one collector.</summary>
public sealed class ExportingShop(string exporters, string protocol) : RunningShop(embedded: true)
{
    internal Collector Collector { get; private set; } = null!;

    internal OtlpCollector Otlp { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Otlp = await OtlpCollector.StartAsync(Collector);
        Zipkin = Collector.Endpoint;
        Environment["OTEL_TRACES_EXPORTER"] = exporters;
        Environment["OTEL_METRICS_EXPORTER"] = "otlp";
        Environment["OTEL_METRIC_EXPORT_INTERVAL"] = "500";
        Environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = protocol;
        Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = Otlp.EndpointOf(protocol);
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Otlp.DisposeAsync();
        await Collector.DisposeAsync();
    }
}
