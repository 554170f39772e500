using System.Diagnostics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Saga.Telemetry;

/// <summary>Exports the spans of a service (saga, server, clients) as OpenTelemetry's environment variables say.</summary>
internal static class TraceExport
{
    /// <summary>Names the server span of a gRPC call after its method and adds its status.</summary>
    private const string GrpcSetting = "OTEL_DOTNET_EXPERIMENTAL_ASPNETCORE_ENABLE_GRPC_INSTRUMENTATION";

    /// <summary>Adds the export, unless it is switched off; then no span is created.</summary>
    public static void Add(WebApplicationBuilder builder)
    {
        var (exporters, problem) = Exporters.OfTraces(builder.Configuration);
        var metrics = Exporters.OfMetrics(builder.Configuration);
        string[] problems =
        [
            .. new[] { problem, metrics.Problem }.OfType<string>(),
            .. exporters.Contains(Exporters.Otlp) ? new OtlpOfSignal(builder.Configuration, OtlpOfSignal.Traces).Problems : [],
            .. metrics.Names.Contains(Exporters.Otlp) ? new OtlpOfSignal(builder.Configuration, OtlpOfSignal.Metrics).Problems : [],
        ];
        builder.Services.AddHostedService(services => new TelemetryFaults(
            problems, services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<TelemetryFaults>>()));
        if (exporters.Count == 0) return;

        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0,
            new MemoryConfigurationSource { InitialData = new Dictionary<string, string?> { [GrpcSetting] = "true" } });
        builder.Services.AddSingleton<DistributedContextPropagator>(new LastParent(DistributedContextPropagator.Current));
        builder.Services.AddOpenTelemetry().WithTracing(traces => Send(traces
            .AddSource(SagaTracing.SourceName)
            .AddAspNetCoreInstrumentation(server => server.Filter = http => !IsUntraced(http.Request.Path.Value ?? ""))
            .AddGrpcClientInstrumentation(), exporters, builder.Configuration));
        builder.Services.AddHostedService<FlushOnShutdown>();
    }

    private static void Send(TracerProviderBuilder traces, IReadOnlyList<string> exporters, IConfiguration configuration)
    {
#pragma warning disable CS0618 // The package is deprecated in favour of OTLP, which Zipkin accepts only with an optional module.
        if (exporters.Contains(Exporters.Zipkin)) traces.AddZipkinExporter();
#pragma warning restore CS0618
        if (exporters.Contains(Exporters.Otlp)) traces.AddOtlpExporter(new OtlpOfSignal(configuration, OtlpOfSignal.Traces).Apply);
        if (exporters.Contains(Exporters.Console)) traces.AddConsoleExporter();
    }

    /// <summary>
    /// Periodic requests (health, metrics) are not traced, nor is what they cause. Nor are calls that deliver a batch: each of its events has a
    /// trace of its own.
    /// </summary>
    private static bool IsUntraced(string path) =>
        path.EndsWith("/HealthCheck", StringComparison.Ordinal) || path.Contains("/OnBulkTopicEvent", StringComparison.Ordinal)
            || path.StartsWith("/grpc.health.", StringComparison.Ordinal) || path == "/metrics";

    /// <summary>Exports the last spans when the service stops. Waits at most a second for a collector that does not answer.</summary>
    private sealed class FlushOnShutdown(TracerProvider provider) : IHostedService
    {
        private const int TimeoutMilliseconds = 1000;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            provider.Shutdown(TimeoutMilliseconds);
            return Task.CompletedTask;
        }
    }
}
