using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Saga;

/// <summary>What the saga counts, and where it is read: by whoever listens to its meter, and in Prometheus' text at /metrics.</summary>
public static class SagaMetrics
{
    /// <summary>The name under which its instruments can be listened to, a service's own too.</summary>
    public const string MeterName = "DaprSaga";

    private static readonly Meter Meter = new(MeterName);

    /// <summary>What .NET itself tells of every call that is answered, and that is made.</summary>
    private static readonly string[] Calls = ["http.server.request.duration", "http.client.request.duration"];

    internal static readonly Counter<long> Conflicts = Meter.CreateCounter<long>(
        "saga.documents.conflicts", "{conflict}", "Writes that were not done because somebody else had written the document first.");

    internal static readonly Counter<long> Combined = Meter.CreateCounter<long>(
        "saga.documents.combined", "{change}", "Changes that cost no write of their own, because they shared another's.");

    internal static readonly Counter<long> DeadLetters = Meter.CreateCounter<long>(
        "saga.dead_letters.kept", "{event}", "Events that could not be handled and are kept for somebody to look at.");

    private static readonly Counter<long> SweepFailures = Meter.CreateCounter<long>(
        "saga.sweep.failures", "{run}", "Runs of a sweep that failed, by what is swept; it runs again a period later.");

    /// <summary>Of the sweeps that run, by what is swept.</summary>
    private static readonly ConcurrentDictionary<string, Func<TimeSpan>> SweepAges = new();

    static SagaMetrics() => Meter.CreateObservableGauge(
        "saga.sweep.last_success_age",
        () => SweepAges.Select(sweep => new Measurement<double>(sweep.Value().TotalSeconds, Of(sweep.Key))), "s",
        "Time since a sweep last ran to its end, by what is swept; since its start before it has for the first time.");

    /// <summary>Of the running program, with the commit it was built from: "1.0.0+48aeb939...". Null: it says none.</summary>
    private static string? Version => Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;

    /// <summary>From here on everything is counted that /metrics will show, and sent where OTEL_METRICS_EXPORTER says.</summary>
    internal static void AddMetrics(this WebApplicationBuilder builder, string appId)
    {
        if (Exporters.AreDisabled(builder.Configuration)) return;
        var exporters = Exporters.OfMetrics(builder.Configuration).Names;
        builder.Services.AddOpenTelemetry()
            // What the environment says of the resource comes last, and wins.
            .ConfigureResource(resource => resource.Clear().AddTelemetrySdk().AddService(appId, serviceVersion: Version).AddEnvironmentVariableDetector())
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(MeterName, "Microsoft.AspNetCore.Hosting", "System.Net.Http")
                    .AddView(instrument => instrument.Meter.Name == MeterName || Calls.Contains(instrument.Name) ? null : MetricStreamConfiguration.Drop)
                    .AddPrometheusExporter();
                if (exporters.Contains(Exporters.Otlp)) metrics.AddOtlpExporter(otlp => OtlpOfSignal.Read(otlp, builder.Configuration, "METRICS"));
                if (exporters.Contains(Exporters.Console)) metrics.AddConsoleExporter();
            });
    }

    /// <summary>From here on the age of its last success is shown, and its failures, of which there are none yet.</summary>
    internal static void Show(string sweep, Func<TimeSpan> sinceLastSuccess)
    {
        SweepAges[sweep] = sinceLastSuccess;
        SweepFailures.Add(0, Of(sweep));
    }

    internal static void CountFailure(string sweep) => SweepFailures.Add(1, Of(sweep));

    internal static void Hide(string sweep) => SweepAges.TryRemove(sweep, out _);

    private static KeyValuePair<string, object?> Of(string sweep) => new("sweep", sweep);

    internal static void MapMetrics(this WebApplication app)
    {
        if (app.Services.GetService<MeterProvider>() is not { } provider) return;
        // What has not happened yet is 0, not absent.
        foreach (var counter in (Counter<long>[])[Conflicts, Combined, DeadLetters]) counter.Add(0);
        app.MapPrometheusScrapingEndpoint("/metrics", provider, configureBranchedPipeline: null, optionsName: null);
    }
}
