using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Saga.Telemetry;

/// <summary>The metrics of the saga, exposed by a meter and at /metrics in Prometheus' text format.</summary>
internal static class SagaMetrics
{
    /// <summary>The meter of this library and of the services.</summary>
    public const string MeterName = "DaprSaga";

    private static readonly Meter Meter = new(MeterName);

    /// <summary>.NET's own metrics of incoming and outgoing calls.</summary>
    private static readonly string[] Calls = ["http.server.request.duration", "http.client.request.duration"];

    internal static readonly Counter<long> Conflicts = Meter.CreateCounter<long>(
        "saga.documents.conflicts", "{conflict}", "Compare-and-set writes that failed because another writer was first.");

    internal static readonly Counter<long> Combined = Meter.CreateCounter<long>(
        "saga.documents.combined", "{change}", "Updates that were combined into the write of another update.");

    internal static readonly Counter<long> DeadLettersStored = Meter.CreateCounter<long>(
        "saga.dead_letters.stored", "{event}", "Events that could not be handled and were stored as dead letters.");

    private static readonly Counter<long> Operations = Meter.CreateCounter<long>(
        "saga.sidecar.operations", "{operation}",
        "Documents read, written and deleted, events published and delivered; each counts alone, also where several share a call.");

    private static readonly Counter<long> SweepFailures = Meter.CreateCounter<long>(
        "saga.sweep.failures", "{run}", "Failed runs of a sweep; it runs again a period later.");

    /// <summary>By sweep: time since its last success.</summary>
    private static readonly ConcurrentDictionary<string, Func<TimeSpan>> SweepAges = new();

    static SagaMetrics() => Meter.CreateObservableGauge(
        "saga.sweep.last_success_age",
        () => SweepAges.Select(sweep => new Measurement<double>(sweep.Value().TotalSeconds, Of(sweep.Key))), "s",
        "Time since the last successful run of a sweep; since its start before there was one.");

    /// <summary>The version of the running program with its commit, such as "1.0.0+48aeb939...". Null: it has none.</summary>
    private static string? Version => Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;

    /// <summary>Collects the metrics for /metrics and for the exporters of OTEL_METRICS_EXPORTER.</summary>
    internal static void AddMetrics(this WebApplicationBuilder builder, string appId)
    {
        if (Exporters.AreDisabled(builder.Configuration)) return;
        var exporters = Exporters.OfMetrics(builder.Configuration).Names;
        builder.Services.AddOpenTelemetry()
            // Last, so that OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME win.
            .ConfigureResource(resource => resource.Clear().AddTelemetrySdk().AddService(appId, serviceVersion: Version).AddEnvironmentVariableDetector())
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(MeterName, "Microsoft.AspNetCore.Hosting", "System.Net.Http")
                    .AddView(instrument => instrument.Meter.Name == MeterName || Calls.Contains(instrument.Name) ? null : MetricStreamConfiguration.Drop)
                    .AddPrometheusExporter();
                if (exporters.Contains(Exporters.Otlp)) metrics.AddOtlpExporter(new OtlpOfSignal(builder.Configuration, OtlpOfSignal.Metrics).Apply);
                if (exporters.Contains(Exporters.Console)) metrics.AddConsoleExporter();
            });
    }

    /// <summary>Starts to report a sweep.</summary>
    internal static void AddSweep(string sweep, Func<TimeSpan> sinceLastSuccess)
    {
        SweepAges[sweep] = sinceLastSuccess;
        SweepFailures.Add(0, Of(sweep));
    }

    /// <param name="operation">read, write, delete, publish or deliver.</param>
    internal static void CountOperation(string operation) => Operations.Add(1, new KeyValuePair<string, object?>("operation", operation));

    internal static void CountFailure(string sweep) => SweepFailures.Add(1, Of(sweep));

    internal static void RemoveSweep(string sweep) => SweepAges.TryRemove(sweep, out _);

    private static KeyValuePair<string, object?> Of(string sweep) => new("sweep", sweep);

    internal static void MapMetrics(this WebApplication app)
    {
        if (app.Services.GetService<MeterProvider>() is not { } provider) return;
        // A counter without an increment would be absent instead of 0.
        foreach (var counter in (Counter<long>[])[Conflicts, Combined, DeadLettersStored]) counter.Add(0);
        app.MapPrometheusScrapingEndpoint("/metrics", provider, configureBranchedPipeline: null, optionsName: null).AllowAnonymous();
    }
}
