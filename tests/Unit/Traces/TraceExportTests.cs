using System.Diagnostics;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Saga.Tests;

namespace Traces;

/// <summary>Spans and metrics go where OpenTelemetry's environment variables say.</summary>
[Collection(nameof(Sequential))]
public sealed class TraceExportTests : IAsyncLifetime
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c", Caller = "b7ad6b7169203331", Sidecar = "00f067aa0ba902b7";

    private Collector collector = null!;
    private OtlpCollector otlp = null!;

    /// <summary>What the host made; the collectors are servers in the same process.</summary>
    private IReadOnlyList<Span> Spans => OfHost(collector.Spans);

    public async Task InitializeAsync()
    {
        collector = await Collector.StartAsync();
        otlp = await OtlpCollector.StartAsync(collector);
    }

    public async Task DisposeAsync()
    {
        await otlp.DisposeAsync();
        await collector.DisposeAsync();
    }

    [Theory]
    [InlineData("zipkin", "grpc", 1)]
    [InlineData("", "grpc", 1)]
    [InlineData("otlp", "grpc", 1)]
    [InlineData("otlp", "http/protobuf", 1)]
    [InlineData("zipkin,otlp", "http/protobuf", 2)]
    [InlineData(" OTLP , zipkin,zipkin", "grpc", 2)]
    public async Task Each_named_exporter_exports_each_span_once(string exporters, string protocol, int times)
    {
        await using var host = await StartAsync(exporters, protocol);
        await host.AskAsync(TracedHost.Path);
        var spans = await UntilAsync(2 * times);
        Assert.Equal(2 * times, spans.Count);
        Assert.Equal(2, spans.DistinctBy(span => span.Id).Count());
        Assert.All(spans.GroupBy(span => span.Id), same => Assert.Equal(times, same.Count()));
        var request = spans.First(span => span.Name == $"GET {TracedHost.Path}");
        var step = spans.First(span => span.Name == TracedHost.Step);
        Assert.Equal(("SERVER", null, "stock"), (request.Kind, request.ParentId, request.Service));
        Assert.Equal((request.TraceId, request.Id, "DaprSaga", TracedHost.OrderId), (step.TraceId, step.ParentId, step.Scope, step.Tags.GetValueOrDefault("order.id")));
        Assert.Empty(collector.Problems);
        Assert.Equal(exporters.Contains("otlp", StringComparison.OrdinalIgnoreCase) ? [protocol] : [], otlp.Protocols.Keys);
        Assert.Empty(host.Logged);
    }

    [Fact]
    public async Task The_other_OTLP_variables_are_respected()
    {
        await using var host = await StartAsync(
            "otlp", "http/protobuf", "OTEL_EXPORTER_OTLP_HEADERS=x-team=shop", "OTEL_SERVICE_NAME=warehouse",
            "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,service.name=other");
        await host.AskAsync(TracedHost.Path);
        var spans = await UntilAsync(2);
        Assert.All(spans, span => Assert.Equal("warehouse", span.Service));
        Assert.Contains(("x-team", "shop"), otlp.Headers.Keys);
        Assert.Contains(("deployment.environment.name", "test"), otlp.Resources.Keys);
    }

    [Fact]
    public async Task The_variables_of_one_signal_override_those_of_all()
    {
        await using var host = await StartAsync(
            "otlp", "grpc", "OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_HEADERS=x-of=all",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", $"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT={otlp.GetEndpoint("http/protobuf")}/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS=x-of=traces", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=gzip");
        await host.AskAsync(TracedHost.Path);
        await UntilAsync(2);
        await CountedAsync(host, "saga.documents.conflicts");
        Assert.Equal(["grpc", "http/protobuf"], otlp.Protocols.Keys.Order());
        Assert.Superset(new HashSet<(string, string)>([("x-of", "all"), ("x-of", "traces"), ("content-encoding", "gzip")]), otlp.Headers.Keys.ToHashSet());
        Assert.Empty(host.Logged);
    }

    [Theory]
    [InlineData("jaeger", "'jaeger'")]
    [InlineData("zipkin,jaeger,logging", "'jaeger', 'logging'")]
    public async Task An_unknown_exporter_is_warned_of_once_and_tracing_continues(string exporters, string named)
    {
        await using var host = await StartAsync(exporters, "grpc");
        await host.AskAsync(TracedHost.Path);
        await host.AskAsync(TracedHost.Path);
        Assert.Equal(4, (await UntilAsync(4)).Count);
        var (warning, text) = Assert.Single(host.Logged);
        Assert.Equal("TelemetryWarning", warning);
        Assert.Contains($"OTEL_TRACES_EXPORTER names {named}", text);
    }

    [Theory]
    [InlineData("OTEL_TRACES_SAMPLER=sometimes", "sometimes")]
    [InlineData("OTEL_BSP_MAX_QUEUE_SIZE=many", "many")]
    public async Task An_invalid_setting_is_warned_of_once_and_tracing_continues(string settings, string named)
    {
        await using var host = await StartAsync("zipkin", "grpc", settings.Split(','));
        await host.AskAsync(TracedHost.Path);
        await host.AskAsync(TracedHost.Path);
        Assert.Equal(4, (await UntilAsync(4)).Count);
        var (warning, text) = Assert.Single(host.Logged);
        Assert.Equal("TelemetryWarning", warning);
        Assert.Contains(named, text);
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'http/json', which is ignored")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=zip", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION is 'zip', which is ignored")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=10s", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT is '10s', which is ignored")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=0", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT is '0', which is ignored")]
    [InlineData("OTEL_METRICS_EXPORTER=otlp,OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=GRPC", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is 'GRPC', which is ignored")]
    public async Task An_invalid_OTLP_setting_of_one_signal_is_warned_of_and_that_of_all_applies(string settings, string warning)
    {
        await using var host = await StartAsync("otlp", "http/protobuf", settings.Split(','));
        await host.AskAsync(TracedHost.Path);
        Assert.Equal(2, (await UntilAsync(2)).Count);
        Assert.Equal(["http/protobuf"], otlp.Protocols.Keys);
        var (name, text) = Assert.Single(host.Logged);
        Assert.Equal("TelemetryWarning", name);
        Assert.Contains(warning, text);
    }

    [Theory]
    [InlineData("OTEL_TRACES_SAMPLER=always_off")]
    [InlineData("OTEL_TRACES_SAMPLER=parentbased_traceidratio,OTEL_TRACES_SAMPLER_ARG=0")]
    public async Task An_unsampled_span_is_not_exported(string settings)
    {
        await using (var host = await StartAsync("zipkin,otlp", "grpc", settings.Split(',')))
        {
            await host.AskAsync(TracedHost.Path);
            Assert.True(host.Traces!.ForceFlush());
            Assert.Empty(host.Logged);
        }
        Assert.Empty(Spans);
    }

    [Theory]
    [InlineData("zipkin")]
    [InlineData("otlp")]
    public async Task A_missing_collector_is_one_log_line(string exporter)
    {
        var nowhere = $"http://127.0.0.1:{FreePort.Take()}";
        await using var host = await TracedHost.StartAsync(
            $"OTEL_TRACES_EXPORTER={exporter}", $"OTEL_EXPORTER_ZIPKIN_ENDPOINT={nowhere}/api/v2/spans", $"OTEL_EXPORTER_OTLP_ENDPOINT={nowhere}");
        for (var batch = 0; batch < 5; batch++)
        {
            Assert.StartsWith("HTTP/1.1 200", await host.AskAsync(TracedHost.Path));
            host.Traces!.ForceFlush();
        }
        var (lost, text) = Assert.Single(host.Logged);
        Assert.Equal("TracesLost", lost);
        Assert.Contains("dropped", text);
        Assert.DoesNotContain('\n', text);
    }

    [Fact]
    public async Task A_hanging_collector_delays_no_request()
    {
        var answer = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        collector.Answer = () => answer.Task;
        await using var host = await StartAsync("zipkin", "grpc");
        await host.AskAsync(TracedHost.Path);
        await UntilAsync(1);
        // The only thread that sends is waiting now; if a request waited for it, this would not come to its end.
        for (var request = 0; request < 100; request++) Assert.StartsWith("HTTP/1.1 200", await host.AskAsync(TracedHost.Path));
        Assert.False(answer.Task.IsCompleted);
        answer.SetResult(202);
    }

    [Theory]
    [InlineData($"traceparent: 00-{Trace}-{Caller}-01\ntraceparent: 00-{Trace}-{Sidecar}-01", Sidecar)]
    [InlineData($"traceparent: 00-{Trace}-{Caller}-01,00-{Trace}-{Sidecar}-01", Sidecar)]
    [InlineData($"traceparent: 00-{Trace}-{Sidecar}-01\ngrpc-trace-bin: AAAK92UZFs1D3YRI6yEcgDGcAbetaxaSAzMxAgE", Sidecar)]
    [InlineData("traceparent: 00-00000000000000000000000000000000-0000000000000000-00", null)]
    [InlineData($"traceparent: 00-{Trace}-{Caller}-01\ntraceparent: nonsense", null)]
    public async Task The_last_traceparent_header_is_the_parent(string headers, string? parent)
    {
        await using var host = await StartAsync("zipkin", "grpc");
        await host.AskAsync(TracedHost.Path, headers.Split('\n'));
        var spans = await UntilAsync(2);
        var request = Assert.Single(spans, span => span.Kind == "SERVER");
        Assert.Equal(parent, request.ParentId);
        Assert.Equal(request.Id, Assert.Single(spans, span => span.Name == TracedHost.Step).ParentId);
        if (parent is not null) Assert.All(spans, span => Assert.Equal(Trace, span.TraceId));
    }

    [Theory]
    [InlineData("OTEL_TRACES_EXPORTER=none", true)]
    [InlineData("OTEL_SDK_DISABLED=true", false)]
    [InlineData("OTEL_SDK_DISABLED=True,OTEL_TRACES_EXPORTER=zipkin,OTEL_METRICS_EXPORTER=otlp", false)]
    public async Task Without_export_no_span_is_created(string settings, bool counts)
    {
        List<string> started = [];
        Activity.CurrentChanged += Note;
        try
        {
            await using var host = await TracedHost.StartAsync(settings.Split(','));
            Assert.EndsWith("\r\n\r\n", await host.AskAsync(TracedHost.Path, $"traceparent: 00-{Trace}-{Caller}-01"));
            Assert.Null(host.Traces);
            Assert.Equal(counts, host.Metrics is not null);
            Assert.StartsWith(counts ? "HTTP/1.1 200" : "HTTP/1.1 404", await host.AskAsync("/metrics"));
            Assert.Empty(host.Logged);
        }
        finally
        {
            Activity.CurrentChanged -= Note;
        }
        Assert.Empty(started);

        void Note(object? sender, ActivityChangedEventArgs change)
        {
            if (change.Current is { OperationName: "Microsoft.AspNetCore.Hosting.HttpRequestIn" or TracedHost.Step } made) started.Add(made.OperationName);
        }
    }

    [Theory]
    [InlineData("grpc")]
    [InlineData("http/protobuf")]
    public async Task Metrics_are_exported_by_OTLP_on_request(string protocol)
    {
        await using var host = await StartAsync("none", protocol, "OTEL_METRICS_EXPORTER=otlp,prometheus");
        Assert.Contains("saga_documents_conflicts_total", await host.AskAsync("/metrics"));
        await CountedAsync(host, "http.server.request.duration");
        Assert.Contains(("stock", "saga.documents.conflicts"), otlp.Metrics.Keys);
        Assert.Equal([protocol], otlp.Protocols.Keys);
        Assert.Empty(Spans);
    }

    private static Span[] OfHost(IEnumerable<Span> spans) => [.. spans.Where(span => span.Name is TracedHost.Step or $"GET {TracedHost.Path}")];

    private async Task<IReadOnlyList<Span>> UntilAsync(int count) => OfHost(await collector.UntilAsync(come => OfHost(come).Length >= count));

    /// <summary>Waits until this has come by OTLP.</summary>
    private async Task CountedAsync(TracedHost host, string metric)
    {
        var begun = Stopwatch.GetTimestamp();
        while (!otlp.Metrics.ContainsKey(("stock", metric)) && Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(30))
        {
            host.Metrics!.ForceFlush();
            await Task.Delay(20);
        }
        Assert.Contains(("stock", metric), otlp.Metrics.Keys);
    }

    private Task<TracedHost> StartAsync(string exporters, string protocol, params string[] settings) => TracedHost.StartAsync(
    [
        $"OTEL_TRACES_EXPORTER={exporters}", $"OTEL_EXPORTER_ZIPKIN_ENDPOINT={collector.Endpoint}",
        $"OTEL_EXPORTER_OTLP_ENDPOINT={otlp.GetEndpoint(protocol)}", $"OTEL_EXPORTER_OTLP_PROTOCOL={protocol}", .. settings,
    ]);
}
