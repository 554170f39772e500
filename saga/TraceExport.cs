using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Zipkin;

namespace Saga;

/// <summary>Sends the spans of a service to a Zipkin: those of the saga, of its server and of its clients.</summary>
/// <remarks>
/// OpenTelemetry's own environment variables say how: OTEL_TRACES_EXPORTER (zipkin unless it says none), OTEL_EXPORTER_ZIPKIN_ENDPOINT,
/// OTEL_SERVICE_NAME (otherwise the app id), OTEL_TRACES_SAMPLER, OTEL_BSP_*.
/// </remarks>
internal sealed class TraceExport(string serviceName, Uri endpoint, ILogger<TraceExport> log) : IHostedService
{
    /// <summary>How long the last spans may take on their way out.</summary>
    private const int FarewellMilliseconds = 1000;

    /// <summary>The gRPC statuses that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.</summary>
    private static readonly string[] Faults = ["2", "4", "12", "13", "14", "15"];

    private TracerProvider? provider;

    /// <summary>Adds the export, unless it is switched off; then nothing listens and no span is made.</summary>
    public static void Add(WebApplicationBuilder builder, string appId)
    {
        string SettingOf(string variable, string otherwise) => builder.Configuration[variable] is { Length: > 0 } said ? said : otherwise;

        var exporter = SettingOf("OTEL_TRACES_EXPORTER", "zipkin");
        if (exporter == "none") return;
        if (exporter != "zipkin") throw new InvalidOperationException($"OTEL_TRACES_EXPORTER must be zipkin or none, not '{exporter}'.");
        var endpoint = SettingOf("OTEL_EXPORTER_ZIPKIN_ENDPOINT", "http://localhost:9411/api/v2/spans");
        if (!Uri.TryCreate(endpoint, UriKind.Absolute, out var uri))
        {
            throw new InvalidOperationException($"OTEL_EXPORTER_ZIPKIN_ENDPOINT must be a URL, not '{endpoint}'.");
        }

        // ASP.NET Core says only when asked what a request is about.
        AppContext.SetSwitch("Microsoft.AspNetCore.Hosting.SuppressActivityOpenTelemetryData", false);
        DistributedContextPropagator.Current = new CallsAsParents();
        builder.Services.AddHostedService(services =>
            new TraceExport(SettingOf("OTEL_SERVICE_NAME", appId), uri, services.GetRequiredService<ILogger<TraceExport>>()));
        builder.Services.AddSingleton<IStartupFilter, RequestNames>();
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(SagaTrace.SourceName, "Microsoft.AspNetCore", CallNames.Source)
            .AddProcessor(new Probes())
            .AddProcessor(new CallNames())
            .AddProcessor(ZipkinExporter.Batched(endpoint, serviceName, problem => SagaLog.TracesLost(log, problem)))
            .Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        provider?.Shutdown(FarewellMilliseconds);
        provider?.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>
    /// Leaves out what only looks, again and again: how this process is, its metrics, its console; and everything that causes. And the calls
    /// that bring batches: each of their events has a trace of its own.
    /// </summary>
    private sealed class Probes : BaseProcessor<Activity>
    {
        public override void OnStart(Activity data)
        {
            if (data.Kind != ActivityKind.Server || data.GetTagItem("url.path") is not string path) return;
            if (!OnlyLooks(path, data.GetTagItem("http.request.method") as string)) return;
            data.IsAllDataRequested = false;
            data.ActivityTraceFlags &= ~ActivityTraceFlags.Recorded;
        }

        private static bool OnlyLooks(string path, string? method) =>
            path.EndsWith("/HealthCheck", StringComparison.Ordinal) || path.Contains("/OnBulkTopicEvent", StringComparison.Ordinal) || path.StartsWith("/grpc.health.", StringComparison.Ordinal) || path == "/metrics"
            || method == "GET" && (path.StartsWith("/console", StringComparison.Ordinal) || path.StartsWith("/api/console/", StringComparison.Ordinal));
    }

    /// <summary>Gives the span of a call the name of what is called, and its end.</summary>
    private sealed class CallNames : BaseProcessor<Activity>
    {
        public const string Source = "Grpc.Net.Client";

        public override void OnEnd(Activity data)
        {
            if (data.Source.Name != Source || data.GetTagItem("grpc.method") is not string method) return;
            data.DisplayName = method.TrimStart('/');
            if (Faults.Contains(data.GetTagItem("grpc.status_code")?.ToString())) data.SetStatus(ActivityStatusCode.Error);
        }
    }

    /// <summary>
    /// What is called is a child of the call. HttpClient makes one more activity for the request below each call, of which nobody is told, and
    /// would name that as the parent.
    /// </summary>
    private sealed class CallsAsParents : DistributedContextPropagator
    {
        private readonly DistributedContextPropagator inner = Current;

        public override IReadOnlyCollection<string> Fields => inner.Fields;

        public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter) =>
            inner.Inject(activity is { OperationName: "System.Net.Http.HttpRequestOut", Parent: { } call } ? call : activity, carrier, setter);

        public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) =>
            inner.ExtractTraceIdAndState(carrier, getter, out traceId, out traceState);

        public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) =>
            inner.ExtractBaggage(carrier, getter);
    }

    /// <summary>Gives the span of a request the name of what was asked, and its end.</summary>
    private sealed class RequestNames : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use(NameAsync);
            next(app);
        };

        private static async Task NameAsync(HttpContext http, RequestDelegate next)
        {
            try
            {
                await next(http);
            }
            finally
            {
                if (http.Features.Get<IHttpActivityFeature>()?.Activity is { IsAllDataRequested: true } span) Name(span, http);
            }
        }

        private static void Name(Activity span, HttpContext http)
        {
            var route = (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? http.Request.Path.Value ?? "";
            if (span.GetTagItem("grpc.status_code")?.ToString() is { } code)
            {
                span.DisplayName = route.TrimStart('/');
                if (Faults.Contains(code)) span.SetStatus(ActivityStatusCode.Error);
            }
            else
            {
                span.DisplayName = $"{http.Request.Method} {route}";
                span.SetTag("http.response.status_code", http.Response.StatusCode);
                if (http.Response.StatusCode >= StatusCodes.Status500InternalServerError) span.SetStatus(ActivityStatusCode.Error);
            }
        }
    }
}
