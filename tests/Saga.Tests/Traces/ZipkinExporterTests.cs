using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using OpenTelemetry;
using Zipkin;

namespace Traces;

/// <summary>Whatever the collector does, nobody else notices.</summary>
public sealed class ZipkinExporterTests
{
    /// <summary>What OpenTelemetry's queue holds, and one batch beside it that is on its way.</summary>
    private const int QueueMax = 2048, BatchMax = 512;

    private readonly List<string> warnings = [];
    private readonly StoppedClock clock = new();

    [Fact]
    public async Task Spans_arrive_and_are_what_a_Zipkin_takes()
    {
        await using var collector = await Collector.StartAsync();
        using (var queue = ZipkinExporter.Batched(collector.Endpoint, "orders", warnings.Add))
        {
            for (var at = 0; at < BatchMax + 1; at++) queue.OnEnd(Ended());
            Assert.True(queue.Shutdown(30_000));
        }
        Assert.Equal(BatchMax + 1, collector.Spans.Count);
        Assert.Empty(collector.Problems);
        Assert.Empty(warnings);
        Assert.All(collector.Spans, span => Assert.Equal("orders", span.Service));
    }

    [Fact]
    public async Task A_collector_that_does_not_answer_holds_nobody_up_and_the_queue_stays_bounded()
    {
        await using var collector = await Collector.StartAsync();
        var answer = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        collector.Answer = () => answer.Task;
        var queue = ZipkinExporter.Batched(collector.Endpoint, "orders", warnings.Add);
        for (var at = 0; at < BatchMax; at++) queue.OnEnd(Ended());
        await collector.UntilAsync(spans => spans.Count > 0);
        // The only thread that sends is waiting now; if ending a span waited for it, this would not come to its end.
        for (var at = 0; at < 3 * QueueMax; at++) queue.OnEnd(Ended());
        Assert.False(answer.Task.IsCompleted);
        answer.SetResult(StatusCodes.Status202Accepted);
        Assert.True(queue.Shutdown(30_000));
        queue.Dispose();
        Assert.InRange(collector.Spans.Count, QueueMax, BatchMax + QueueMax);
    }

    [Fact]
    public void Nobody_listening_is_said_once()
    {
        using var queue = ZipkinExporter.Batched(Nowhere(), "orders", warnings.Add);
        for (var at = 0; at < 10 * BatchMax; at++) queue.OnEnd(Ended());
        Assert.True(queue.Shutdown(30_000));
        Assert.Contains("dropped", Assert.Single(warnings));
    }

    [Fact]
    public async Task Each_outage_is_said_once_and_while_it_lasts_the_collector_is_asked_only_now_and_then()
    {
        await using var collector = await Collector.StartAsync();
        using var exporter = new ZipkinExporter(collector.Endpoint, "orders", warnings.Add, clock);
        collector.Answer = () => Task.FromResult(StatusCodes.Status500InternalServerError);
        Assert.Equal((ExportResult.Failure, ExportResult.Failure), (Export(exporter), Export(exporter)));
        Assert.Single(collector.Spans);

        clock.Now += ZipkinExporter.Pause;
        Assert.Equal(ExportResult.Failure, Export(exporter));
        Assert.Equal(2, collector.Spans.Count);
        Assert.Contains("500", Assert.Single(warnings));

        clock.Now += ZipkinExporter.Pause;
        collector.Answer = () => Task.FromResult(StatusCodes.Status202Accepted);
        Assert.Equal((ExportResult.Success, ExportResult.Success), (Export(exporter), Export(exporter)));

        collector.Answer = () => Task.FromResult(StatusCodes.Status400BadRequest);
        Assert.Equal(ExportResult.Failure, Export(exporter));
        Assert.Equal(2, warnings.Count);
    }

    [Fact]
    public async Task A_tag_that_cannot_be_written_costs_its_batch_and_nothing_else()
    {
        await using var collector = await Collector.StartAsync();
        using var exporter = new ZipkinExporter(collector.Endpoint, "orders", warnings.Add, clock);
        Assert.Equal(ExportResult.Failure, exporter.Export(new([Ended(new Unspeakable())], 1)));
        clock.Now += ZipkinExporter.Pause;
        Assert.Equal(ExportResult.Success, Export(exporter));
        Assert.Single(collector.Spans);
    }

    private static ExportResult Export(ZipkinExporter exporter) => exporter.Export(new([Ended()], 1));

    private static Activity Ended(object? tag = null)
    {
        var span = new Activity("step") { ActivityTraceFlags = ActivityTraceFlags.Recorded }.SetTag("tag", tag).Start();
        span.Stop();
        return span;
    }

    private static Uri Nowhere()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/api/v2/spans");
    }

    private sealed class Unspeakable
    {
        public override string ToString() => throw new InvalidOperationException("no words");
    }

    private sealed class StoppedClock : TimeProvider
    {
        public TimeSpan Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
