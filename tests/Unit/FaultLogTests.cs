using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Saga.Tests;

/// <summary>An outage is a few lines, however many calls meet it; sweeps report their state.</summary>
public sealed class FaultLogTests
{
    private readonly VirtualClock clock = new();
    private readonly Lines<PeriodicSweep> lines = new();

    [Fact]
    public void An_outage_is_logged_at_its_start_every_10_s_and_at_its_end()
    {
        using var faults = new FaultLog("Calls", clock, lines, overWhenQuiet: true);
        Assert.True(faults.Begins("WatchOrder", "gone"));
        for (var at = 0; at < 400; at++) Assert.False(faults.Begins(at % 4 == 0 ? "GetOrder" : "WatchOrder", $"gone {at}"));
        Assert.Empty(lines.All);
        Pass(10);
        Assert.Equal("Calls: 400 more failed within 10 s (GetOrder 100, WatchOrder 300). The last: gone 399", lines.All.Single().Text);
        faults.Begins("GetOrder", "gone");
        Pass(10);
        Assert.Equal("Calls: 1 more failed within 10 s (GetOrder 1). The last: gone", lines.All.ElementAt(1).Text);
        Pass(10);
        Assert.Equal("Calls: no more of them fail; 402 did, within 30.0 s.", lines.All.ElementAt(2).Text);
        Pass(60);
        Assert.Equal(3, lines.All.Count);
        Assert.True(faults.Begins("GetOrder", "gone again"));
    }

    [Fact]
    public void The_first_success_after_a_fault_is_logged()
    {
        using var faults = new FaultLog("Sweeps", clock, lines, overWhenQuiet: false);
        faults.Over();
        Assert.Empty(lines.All);
        Assert.True(faults.Begins("a", "gone"));
        Pass(30);
        Assert.Empty(lines.All);
        faults.Over();
        faults.Over();
        Assert.Equal("Sweeps: no more of them fail; 1 did, within 30.0 s.", lines.All.Single().Text);
    }

    [Fact]
    public async Task A_sweep_that_fails_is_counted_and_logged_once_without_a_stack_and_its_age_grows_until_it_succeeds()
    {
        var (name, fails) = ($"test-{Guid.NewGuid()}", true);
        var sweep = new PeriodicSweep(name, _ => fails ? throw new RpcException(new(StatusCode.Unavailable, "gone")) : Task.CompletedTask,
            TimeSpan.FromMilliseconds(1), TimeProvider.System, lines);
        using var metrics = new SweepMetrics(name);
        await sweep.StartAsync(default);
        await ReachAsync(() => metrics.Failures >= 20);
        await ReachAsync(() => metrics.Age > 0.05);
        var first = Assert.Single(lines.All, line => line.Name == "SweepFailed");
        Assert.Contains($"The sweep of {name} failed", first.Text);
        Assert.Contains("gone", first.Text);
        Assert.Null(first.Fault);

        fails = false;
        await ReachAsync(() => lines.All.Any(line => line.Name == "FaultsOver"));
        await ReachAsync(() => metrics.Age < 0.05);
        await sweep.StopAsync(default);
        Assert.Single(lines.All, line => line.Name == "SweepFailed");
        Assert.Null(metrics.Age);
        sweep.Dispose();
    }

    /// <summary>gRPC reports a cancelled call as an RpcException, which is no end of a background service for the host.</summary>
    [Fact]
    public async Task A_sweep_that_is_stopped_within_a_call_ends_cancelled()
    {
        var calls = new TaskCompletionSource();
        var sweep = new PeriodicSweep($"test-{Guid.NewGuid()}", async ct =>
        {
            calls.TrySetResult();
            var ended = new TaskCompletionSource();
            using var stopped = ct.Register(ended.SetResult);
            await ended.Task;
            throw new RpcException(new(StatusCode.Cancelled, "cancelled"));
        }, TimeSpan.FromMilliseconds(1), TimeProvider.System, lines);
        await sweep.StartAsync(default);
        await calls.Task;
        await sweep.StopAsync(default);
        Assert.True(sweep.ExecuteTask!.IsCanceled, $"{sweep.ExecuteTask.Status}");
        sweep.Dispose();
    }

    [Fact]
    public async Task A_bug_in_a_sweep_is_logged_with_its_stack_once()
    {
        var runs = 0;
        var sweep = new PeriodicSweep("test", _ =>
        {
            runs++;
            throw new InvalidOperationException("a bug");
        }, TimeSpan.FromMilliseconds(1), TimeProvider.System, lines);
        await sweep.StartAsync(default);
        await ReachAsync(() => Volatile.Read(ref runs) > 20);
        await sweep.StopAsync(default);
        Assert.IsType<InvalidOperationException>(Assert.Single(lines.All).Fault);
        sweep.Dispose();
    }

    [Fact]
    public void A_sweep_is_named_after_what_it_sweeps() =>
        Assert.Equal(["product", "order"], new[] { typeof(ReservationSweep<Stock.Product>), typeof(Orders.OrderSweep) }.Select(PeriodicSweep.GetName));

    [Fact]
    public void WRONGTYPE_is_said_to_be_the_outage_that_it_is()
    {
        const string Reported = "WRONGTYPE Operation against a key holding the wrong kind of value";
        Exception[] faults =
        [
            new global::Dapr.DaprException($"order:1 could not be read: {Reported}"),
            new RpcException(new(StatusCode.Internal, Reported)),
            new global::Dapr.DaprException("order:1 could not be read", new RpcException(new(StatusCode.Internal, Reported))),
        ];
        foreach (var fault in faults)
        {
            Assert.True(Faults.IsTransient(fault));
            Assert.Contains(Reported, Faults.GetCause(fault));
            Assert.Contains("an outage, not corruption", Faults.GetCause(fault));
        }
        // Several failed take-overs in one sweep.
        var gone = new RpcException(new(StatusCode.Unavailable, "gone"));
        Assert.True(Faults.IsTransient(new AggregateException(gone, gone)));
        Assert.False(Faults.IsTransient(new AggregateException(gone, new CorruptDocumentException("bad"))));
        Assert.Equal("gone", Faults.GetCause(new AggregateException(gone, gone)));
        Assert.Equal("gone", Faults.GetCause(new RpcException(new(StatusCode.Unavailable, "gone"))));
    }

    private void Pass(double seconds) => clock.AdvanceTo(clock.GetUtcNow().AddSeconds(seconds));

    private static async Task ReachAsync(Func<bool> reached)
    {
        for (var begun = Stopwatch.GetTimestamp(); !reached(); await Task.Delay(5)) Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(30));
    }

    private sealed class Lines<T> : ILogger<T>
    {
        private readonly ConcurrentQueue<(string Name, string Text, Exception? Fault)> all = [];

        public IReadOnlyCollection<(string Name, string Text, Exception? Fault)> All => all;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            all.Enqueue((eventId.Name ?? "", formatter(state, exception), exception));
    }

    /// <summary>What is measured of one sweep.</summary>
    private sealed class SweepMetrics : IDisposable
    {
        private readonly MeterListener listener = new();
        private long failures;
        private double? age;

        public SweepMetrics(string sweep)
        {
            listener.InstrumentPublished = (instrument, it) =>
            {
                if (instrument.Meter.Name == SagaMetrics.MeterName && instrument.Name.StartsWith("saga.sweep.", StringComparison.Ordinal))
                {
                    it.EnableMeasurementEvents(instrument);
                }
            };
            listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
            {
                if (IsOf(tags)) Interlocked.Add(ref failures, value);
            });
            listener.SetMeasurementEventCallback<double>((_, value, tags, _) =>
            {
                if (IsOf(tags)) age = value;
            });
            listener.Start();

            bool IsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags) => tags.Length == 1 && tags[0].Key == "sweep" && sweep.Equals(tags[0].Value);
        }

        public long Failures => Interlocked.Read(ref failures);

        /// <summary>Seconds. Null: it does not run.</summary>
        public double? Age
        {
            get
            {
                age = null;
                listener.RecordObservableInstruments();
                return age;
            }
        }

        public void Dispose() => listener.Dispose();
    }
}
