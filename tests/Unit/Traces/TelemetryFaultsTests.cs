using System.Diagnostics.Tracing;
using Microsoft.Extensions.Logging;
using Saga;

namespace Traces;

/// <summary>What OpenTelemetry says of itself becomes few lines.</summary>
public sealed class TelemetryFaultsTests : IDisposable
{
    private readonly StoppedClock clock = new();
    private readonly Lines lines = new();
    private readonly Exporter exporter = new();
    private readonly TelemetryFaults faults;

    public TelemetryFaultsTests() => faults = new([], clock, lines);

    public void Dispose()
    {
        faults.Dispose();
        exporter.Dispose();
    }

    [Fact]
    public void An_outage_of_the_collector_is_logged_once()
    {
        for (var minute = 0; minute < 60; minute++)
        {
            exporter.Lost("refused\n   at Somewhere()");
            clock.Now += TimeSpan.FromMinutes(1);
        }
        Assert.Equal(["TracesLost"], lines.Of("refused"));
        clock.Now += TelemetryFaults.OutageGap;
        exporter.Lost("refused again");
        Assert.Equal(["TracesLost", "TracesLost"], lines.Of("refused"));
        Assert.DoesNotContain(lines.Logged, line => line.Text.Contains('\n'));
    }

    [Fact]
    public void A_warning_is_logged_once_and_many_are_cut_off()
    {
        exporter.OddConfigurationValue("one");
        exporter.OddConfigurationValue("one");
        Assert.Equal(["TelemetryWarning"], lines.Of("odd: one"));
        for (var number = 0; number < 1000; number++) exporter.OddConfigurationValue($"{number}");
        Assert.InRange(lines.Of("odd: ").Count, 2, 20);
    }

    [EventSource(Name = "OpenTelemetry-Exporter-OfThisTest")]
    private sealed class Exporter : EventSource
    {
        [Event(1, Message = "Could not send: {0}", Level = EventLevel.Error)]
        public void Lost(string problem) => WriteEvent(1, problem);

        [Event(2, Message = "odd: {0}", Level = EventLevel.Warning)]
        public void OddConfigurationValue(string what) => WriteEvent(2, what);
    }

    /// <summary>Of other tests' exporters something may be there too.</summary>
    private sealed class Lines : ILogger<TelemetryFaults>
    {
        private readonly List<(string? Event, string Text)> logged = [];

        public IReadOnlyList<(string? Event, string Text)> Logged
        {
            get
            {
                lock (logged) return [.. logged];
            }
        }

        public IReadOnlyList<string?> Of(string text) => [.. Logged.Where(line => line.Text.Contains(text)).Select(line => line.Event)];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            lock (logged) logged.Add((eventId.Name, formatter(state, exception)));
        }
    }

    private sealed class StoppedClock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
