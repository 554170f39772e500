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

namespace Saga;

/// <summary>Sends the spans of a service where OpenTelemetry's environment variables say: those of the saga, of its server and of its clients.</summary>
internal static class TraceExport
{
    /// <summary>So that the span of a gRPC call is named after its method, and says how the call ended.</summary>
    private const string GrpcSetting = "OTEL_DOTNET_EXPERIMENTAL_ASPNETCORE_ENABLE_GRPC_INSTRUMENTATION";

    /// <summary>Adds the export, unless it is switched off; then nothing listens and no span is made.</summary>
    public static void Add(WebApplicationBuilder builder)
    {
        var (exporters, problem) = Exporters.OfTraces(builder.Configuration);
        string?[] problems = [problem, Exporters.OfMetrics(builder.Configuration).Problem];
        builder.Services.AddHostedService(services => new TelemetryFaults(
            [.. problems.OfType<string>()], TimeProvider.System, services.GetRequiredService<ILogger<TelemetryFaults>>()));
        if (exporters.Count == 0) return;

        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new MemoryConfigurationSource { InitialData = new Dictionary<string, string?> { [GrpcSetting] = "true" } });
        builder.Services.AddSingleton<DistributedContextPropagator>(new LastParent(DistributedContextPropagator.Current));
        builder.Services.AddOpenTelemetry().WithTracing(traces => Send(traces
            .AddSource(SagaTracing.SourceName)
            .AddAspNetCoreInstrumentation(server => server.Filter = http => !OnlyLooks(http.Request.Path.Value ?? "", http.Request.Method))
            .AddGrpcClientInstrumentation(), exporters, builder.Configuration));
        builder.Services.AddHostedService<Farewell>();
    }

    private static void Send(TracerProviderBuilder traces, IReadOnlyList<string> exporters, IConfiguration configuration)
    {
#pragma warning disable CS0618 // The package is deprecated in favour of OTLP, which a Zipkin takes only with a module that it does not come with.
        if (exporters.Contains(Exporters.Zipkin)) traces.AddZipkinExporter();
#pragma warning restore CS0618
        if (exporters.Contains(Exporters.Otlp)) traces.AddOtlpExporter(otlp => OtlpOfSignal.Read(otlp, configuration, "TRACES"));
        if (exporters.Contains(Exporters.Console)) traces.AddConsoleExporter();
    }

    /// <summary>
    /// What only looks, again and again, is in no trace: how this process is, its metrics, its console; nor is what that causes. Nor are the
    /// calls that bring batches: each of their events has a trace of its own.
    /// </summary>
    private static bool OnlyLooks(string path, string method) =>
        path.EndsWith("/HealthCheck", StringComparison.Ordinal) || path.Contains("/OnBulkTopicEvent", StringComparison.Ordinal) || path.StartsWith("/grpc.health.", StringComparison.Ordinal) || path == "/metrics"
        || method == "GET" && (path.StartsWith("/console", StringComparison.Ordinal) || path.StartsWith("/api/console/", StringComparison.Ordinal));

    /// <summary>Sends the last spans when the service stops, and waits for a collector that does not answer for a second at most.</summary>
    private sealed class Farewell(TracerProvider provider) : IHostedService
    {
        private const int Milliseconds = 1000;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            provider.Shutdown(Milliseconds);
            return Task.CompletedTask;
        }
    }
}
