using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>
/// Logs what goes wrong with traces and metrics. OpenTelemetry tells it only by event sources; an outage of a collector, in which every
/// batch is a fault, is one line.
/// </summary>
/// <param name="problems">Those of the configuration, as sentences.</param>
internal sealed class TelemetryFaults(IReadOnlyList<string> problems, TimeProvider clock, ILogger<TelemetryFaults> log) : EventListener, IHostedService
{
    /// <summary>Faults of one exporter that are closer to each other than this are one outage.</summary>
    public static readonly TimeSpan OutageGap = TimeSpan.FromMinutes(5);

    private const string Sources = "OpenTelemetry-", ExporterSources = "OpenTelemetry-Exporter-";

    /// <summary>At most this many different warnings are logged; some name a value.</summary>
    private const int WarningsMax = 20;

    /// <summary>With what OTLP's exporter calls a warning a batch is lost too.</summary>
    private static readonly string[] Losses = ["TransientHttpError", "OperationUnexpectedlyCanceled", "RequestTimedOut", "GrpcStatusWarning"];

    private readonly ConcurrentDictionary<string, long> lastFaults = new();
    private readonly ConcurrentDictionary<string, bool> warned = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var problem in problems) SagaLog.TelemetryWarning(log, problem);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // Called by the base constructor too.
    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name.StartsWith(Sources, StringComparison.Ordinal)) EnableEvents(eventSource, EventLevel.Warning);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        var source = eventData.EventSource.Name;
        var name = eventData.EventName ?? "";
        var isError = eventData.Level is EventLevel.Critical or EventLevel.Error;
        if (!source.StartsWith(Sources, StringComparison.Ordinal)) return;
        if (source.StartsWith(ExporterSources, StringComparison.Ordinal) && (isError || Losses.Contains(name))) Lose(source, TextOf(eventData));
        else if (isError || IsAboutSettings(name)) Warn(TextOf(eventData));
    }

    /// <summary>Of the others most tell what is meant to be so, such as a view that leaves an instrument out.</summary>
    private static bool IsAboutSettings(string name) => name.Contains("Config", StringComparison.Ordinal) || name == "UnsupportedProtocol";

    private void Warn(string text)
    {
        if (warned.Count < WarningsMax && warned.TryAdd(text, true)) SagaLog.TelemetryWarning(log, text);
    }

    private void Lose(string exporter, string text)
    {
        var now = clock.GetTimestamp();
        var isNew = true;
        lastFaults.AddOrUpdate(exporter, now, (_, last) =>
        {
            isNew = clock.GetElapsedTime(last, now) >= OutageGap;
            return now;
        });
        if (isNew) SagaLog.TracesLost(log, text);
    }

    /// <summary>Its first line: what follows is a stack trace.</summary>
    private static string TextOf(EventWrittenEventArgs said)
    {
        var text = said.Message is { } format ? string.Format(CultureInfo.InvariantCulture, format, [.. said.Payload ?? Enumerable.Empty<object?>()]) : said.EventName ?? "";
        return text.Split('\n', 2)[0].TrimEnd('\r', '.', '\'', ' ');
    }
}
