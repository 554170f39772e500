using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Saga.Telemetry;

/// <summary>
/// Logs faults of the export of traces and metrics, which OpenTelemetry reports only by event sources. An outage of a collector is one line.
/// </summary>
/// <param name="problems">Of the configuration, in sentences.</param>
internal sealed class TelemetryFaults(IReadOnlyList<string> problems, TimeProvider clock, ILogger<TelemetryFaults> log) : EventListener, IHostedService
{
    /// <summary>Faults of one exporter closer together than this are one outage.</summary>
    public static readonly TimeSpan OutageGap = TimeSpan.FromMinutes(5);

    private const string Sources = "OpenTelemetry-", ExporterSources = "OpenTelemetry-Exporter-";

    /// <summary>Distinct warnings logged, at most: some contain a value.</summary>
    private const int WarningsMax = 20;

    /// <summary>Events that the OTLP exporter calls warnings although a batch is lost.</summary>
    private static readonly string[] Losses = ["TransientHttpError", "OperationUnexpectedlyCanceled", "RequestTimedOut", "GrpcStatusWarning"];

    private readonly ConcurrentDictionary<string, long> lastFaults = new();
    private readonly ConcurrentDictionary<string, bool> warned = new();

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var problem in problems) SagaLog.TelemetryWarning(log, problem);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // The base constructor calls it too.
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
        if (source.StartsWith(ExporterSources, StringComparison.Ordinal) && (isError || Losses.Contains(name))) Lose(source, GetText(eventData));
        else if (isError || IsAboutSettings(name)) Warn(GetText(eventData));
    }

    /// <summary>Most other warnings report something intended, such as a view that drops an instrument.</summary>
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

    /// <summary>The first line; a stack trace follows.</summary>
    private static string GetText(EventWrittenEventArgs e)
    {
        var text = e.Message is { } format
            ? string.Format(CultureInfo.InvariantCulture, format, [.. e.Payload ?? Enumerable.Empty<object?>()])
            : e.EventName ?? "";
        return text.Split('\n', 2)[0].TrimEnd('\r', '.', '\'', ' ');
    }
}
