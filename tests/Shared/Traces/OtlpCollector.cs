using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Traces.Otlp;

namespace Traces;

/// <summary>An OTLP collector over gRPC and HTTP. Forwards spans to a <see cref="Collector"/> and keeps metrics.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private const string Services = "opentelemetry.proto.collector";

    private readonly WebApplication app;
    private readonly Collector spans;

    private OtlpCollector(WebApplication app, Collector spans) => (this.app, this.spans) = (app, spans);

    /// <summary>The value for OTEL_EXPORTER_OTLP_ENDPOINT. The protocol is grpc or http/protobuf, as in OTEL_EXPORTER_OTLP_PROTOCOL.</summary>
    public string GetEndpoint(string protocol) => app.Urls.ElementAt(protocol == "grpc" ? 0 : 1);

    /// <summary>The latest sum of the data points of each metric, by service and name; 0 for a metric that is not a sum.</summary>
    public ConcurrentDictionary<(string Service, string Name), double> Metrics { get; } = [];

    /// <summary>The resource attributes of the spans.</summary>
    public ConcurrentDictionary<(string Name, string Value), bool> Resources { get; } = [];

    /// <summary>The protocols of the received requests.</summary>
    public ConcurrentDictionary<string, bool> Protocols { get; } = [];

    /// <summary>The headers of the received requests, with names in lower case.</summary>
    public ConcurrentDictionary<(string Name, string Value), bool> Headers { get; } = [];

    public static async Task<OtlpCollector> StartAsync(Collector spans)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, grpc => grpc.Protocols = HttpProtocols.Http2);
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, http => http.Protocols = HttpProtocols.Http1);
        });
        builder.Services.AddRoutingCore();
        builder.Services.AddGrpc();
        builder.Services.AddLogging(logging => logging.ClearProviders());
        var app = builder.Build();
        var collector = new OtlpCollector(app, spans);
        app.UseRouting();
        app.MapPost("/v1/traces", http => collector.TakeHttpAsync(http, ExportTraceServiceRequest.Parser, collector.Take));
        app.MapPost("/v1/metrics", http => collector.TakeHttpAsync(http, ExportMetricsServiceRequest.Parser, collector.Take));
        app.MapPost($"/{Services}.trace.v1.TraceService/Export", http => collector.TakeGrpcAsync(http, ExportTraceServiceRequest.Parser, collector.Take));
        app.MapPost($"/{Services}.metrics.v1.MetricsService/Export", http => collector.TakeGrpcAsync(http, ExportMetricsServiceRequest.Parser, collector.Take));
        await app.StartAsync();
        return collector;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    private async Task TakeHttpAsync<T>(HttpContext http, MessageParser<T> parser, Action<T> take) where T : IMessage<T>
    {
        if (http.Request.ContentType != "application/x-protobuf")
        {
            http.Response.StatusCode = StatusCodes.Status415UnsupportedMediaType;
            return;
        }
        Note(http, "http/protobuf");
        take(parser.ParseFrom(await BodyAsync(http)));
        http.Response.ContentType = "application/x-protobuf";
    }

    /// <summary>Reads one gRPC message: a compression flag, four bytes of length, the data.</summary>
    private async Task TakeGrpcAsync<T>(HttpContext http, MessageParser<T> parser, Action<T> take) where T : IMessage<T>
    {
        var frame = await BodyAsync(http);
        Note(http, "grpc");
        take(parser.ParseFrom(frame, 5, frame.Length - 5));
        http.Response.ContentType = "application/grpc";
        await http.Response.Body.WriteAsync(new byte[5]);
        http.Response.AppendTrailer("grpc-status", $"{(int)StatusCode.OK}");
    }

    private static async Task<byte[]> BodyAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await using var sent = http.Request.Headers.ContentEncoding == "gzip" ? new GZipStream(http.Request.Body, CompressionMode.Decompress) : http.Request.Body;
        await sent.CopyToAsync(body);
        return body.ToArray();
    }

    private void Note(HttpContext http, string protocol)
    {
        Protocols[protocol] = true;
        foreach (var (name, value) in http.Request.Headers) Headers[(name.ToLowerInvariant(), value.ToString())] = true;
    }

    private void Take(ExportTraceServiceRequest request)
    {
        foreach (var resource in request.ResourceSpans)
        {
            foreach (var attribute in resource.Resource.Attributes) Resources[(attribute.Key, GetText(attribute.Value))] = true;
        }
        spans.Take(request.ResourceSpans.SelectMany(
            resource => resource.ScopeSpans.SelectMany(scope => scope.Spans.Select(span => Read(span, scope.Scope.Name, ServiceOf(resource.Resource))))));
    }

    private void Take(ExportMetricsServiceRequest request)
    {
        foreach (var resource in request.ResourceMetrics)
        {
            foreach (var metric in resource.ScopeMetrics.SelectMany(scope => scope.Metrics))
            {
                Metrics[(ServiceOf(resource.Resource), metric.Name)] = metric.Sum?.DataPoints.Sum(point => point.AsInt + point.AsDouble) ?? 0;
            }
        }
    }

    private static Span Read(SpanData span, string scope, string service) => new(
        Hex(span.TraceId)!, Hex(span.ParentSpanId), Hex(span.SpanId)!, span.Name,
        span.Kind is SpanData.Types.Kind.Internal ? null : span.Kind.ToString().ToUpperInvariant(),
        service, null,
        new Dictionary<string, string>(span.Attributes.Select(attribute => KeyValuePair.Create(attribute.Key, GetText(attribute.Value))))
        {
            ["otel.scope.name"] = scope,
        });

    private static string ServiceOf(Resource resource) => GetText(resource.Attributes.Single(attribute => attribute.Key == "service.name").Value);

    private static string? Hex(ByteString id) => id.IsEmpty ? null : Convert.ToHexStringLower(id.Span);

    private static string GetText(AnyValue value) => value.ValueCase switch
    {
        AnyValue.ValueOneofCase.BoolValue => value.BoolValue ? "true" : "false",
        AnyValue.ValueOneofCase.IntValue => value.IntValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.DoubleValue => value.DoubleValue.ToString(CultureInfo.InvariantCulture),
        AnyValue.ValueOneofCase.StringValue or AnyValue.ValueOneofCase.None or _ => value.StringValue,
    };
}
