using System.Net;
using System.Text;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using Traces;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Two sidecars, one of them with an app, that export their spans to a collector.</summary>
public sealed class SpanFixture : IAsyncLifetime
{
    /// <summary>Exports spans after 50 ms; daprd reads the same variable.</summary>
    private static readonly Dictionary<string, string> Soon = new() { ["OTEL_BSP_SCHEDULE_DELAY"] = "50" };

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("spans-");

    internal Collector Collector { get; private set; } = null!;

    public TestApp App { get; private set; } = null!;

    public Sidecar Sidecar { get; private set; } = null!;

    public Sidecar Caller { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        App = await TestApp.StartAsync(
            TestApp.Subscription("pubsub", "news"), TestApp.Subscription("pubsub", "again"), TestApp.Subscription("pubsub", "broken"));
        var components = Yaml.Component("pubsub", "pubsub.in-memory") + Yaml.Component("store", "state.in-memory");
        Sidecar = await StartAsync(Sidecar.FreshId("app"), components + Yaml.Retries("pubsub", 1), App.Port);
        Caller = await StartAsync(Sidecar.FreshId("caller"), components, 0);
    }

    public async Task DisposeAsync()
    {
        await Caller.DisposeAsync();
        await Sidecar.DisposeAsync();
        await App.DisposeAsync();
        await Collector.DisposeAsync();
        folder.Delete(recursive: true);
    }

    /// <summary>Writes a Configuration file with this tracing section.</summary>
    internal string Tracing(string name, string tracing)
    {
        var path = Path.Combine(folder.FullName, name);
        File.WriteAllText(path, $$"""
            apiVersion: dapr.io/v1alpha1
            kind: Configuration
            metadata: {name: config}
            spec:
              tracing: {{{tracing}}}
            """);
        return path;
    }

    /// <summary>Starts a sidecar that exports its spans to the collector.</summary>
    internal Task<Sidecar> StartAsync(string appId, string components, int appPort) => Sidecar.StartAsync(
        appId, components, appPort, ["--config", Tracing($"{appId}.yaml", ToCollector)], Soon);

    private string ToCollector => $"samplingRate: \"1\", zipkin: {{endpointAddress: \"{Collector.Endpoint}\"}}";
}

/// <summary>The spans of a sidecar: names, kinds, errors and parents.</summary>
public sealed class SpanTests(SpanFixture fixture) : IClassFixture<SpanFixture>
{
    /// <summary>Span names, in lower case as Zipkin stores them.</summary>
    private const string Publish = "/dapr.proto.runtime.v1.dapr/publishevent", GetState = "/dapr.proto.runtime.v1.dapr/getstate";

    private readonly string trace = Guid.NewGuid().ToString("N");

    private string Parent => $"00-{trace}-b7ad6b7169203331-01";

    /// <summary>A batch is delivered when it has two events, and not earlier.</summary>
    private static TopicSubscription Pairs => TestApp.BulkSubscription("pubsub", "pairs", maxMessages: 2, maxAwaitMs: 600_000);

    private Metadata Traced => new() { { "traceparent", Parent } };

    [Fact]
    public async Task Publish_and_delivery_create_a_span_each_and_the_app_receives_the_second_context()
    {
        await fixture.Sidecar.Dapr.PublishAsync("news", "1", headers: Traced);
        var received = await ReceivedAsync("news");
        var spans = await SpansAsync(2);

        var published = spans.Single(span => span.Name == Publish);
        Assert.Equal(
            ("b7ad6b7169203331", "CLIENT", fixture.Sidecar.AppId, "dapr-diagnostics"),
            (published.ParentId, published.Kind, published.Service, published.Scope));

        var delivered = spans.Single(span => span.Name == "pubsub/news");
        Assert.Equal((published.Id, "CLIENT", fixture.Sidecar.AppId), (delivered.ParentId, delivered.Kind, delivered.Service));

        var envelope = received.Event.Extensions.Fields;
        Assert.Equal((Context(published), Context(published)), (envelope["traceparent"].StringValue, envelope["traceid"].StringValue));
        Assert.Equal(Context(delivered), received.Headers.GetValue("traceparent"));
        Assert.Equal(Binary(delivered), received.Headers.GetValueBytes("grpc-trace-bin"));
    }

    [Fact]
    public async Task Each_delivery_attempt_creates_a_span_and_only_a_failure_is_an_error()
    {
        fixture.App.OnTopic("again", TopicEventResponseStatus.Retry);
        await fixture.Sidecar.Dapr.PublishAsync("again", "1", headers: Traced);
        Assert.All((await SpansAsync(3)).Where(span => span.Name == "pubsub/again"), span => Assert.DoesNotContain("error", span.Tags.Keys));
        fixture.App.OnTopic("broken", StatusCode.Internal);
        await fixture.Sidecar.Dapr.PublishAsync("broken", "1", headers: Traced);
        var attempts = (await SpansAsync(6)).Where(span => span.Name == "pubsub/broken").ToList();
        Assert.Equal(2, attempts.Count);
        Assert.All(attempts, span => Assert.Equal("configured by the test", span.Tags["error"]));
    }

    [Fact]
    public async Task A_state_call_creates_a_span_and_returns_its_context()
    {
        var call = fixture.Sidecar.Dapr.GetStateAsync(new GetStateRequest { StoreName = "store", Key = "k" }, Traced);
        var carried = (await call.ResponseHeadersAsync).GetValueBytes("grpc-trace-bin");
        await call;
        var span = Assert.Single(await SpansAsync(1));
        Assert.Equal(Binary(span), carried);
        Assert.Equal((GetState, "CLIENT"), (span.Name, span.Kind));
    }

    [Fact]
    public async Task A_failed_call_is_an_error_span_with_the_message()
    {
        var failure = await Failure.OfAsync(fixture.Sidecar.Dapr.GetStateAsync(new GetStateRequest { StoreName = "nowhere", Key = "k" }, Traced));
        Assert.Equal(failure.Status.Detail, Assert.Single(await SpansAsync(1)).Tags["error"]);
    }

    [Fact]
    public async Task An_http_span_is_named_after_the_path()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/publish/pubsub/elsewhere");
        request.Content = new StringContent("1", Encoding.UTF8, "application/json");
        request.Headers.Add("traceparent", Parent);
        Assert.Equal(HttpStatusCode.NoContent, (await fixture.Sidecar.Http.SendAsync(request)).StatusCode);
        var span = Assert.Single(await SpansAsync(1));
        Assert.Equal(("/v1.0/publish/pubsub/elsewhere", "CLIENT"), (span.Name, span.Kind));
    }

    [Fact]
    public async Task A_bulk_publish_creates_a_span_per_entry()
    {
        var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = "news" };
        foreach (var id in (string[])["1", "2"])
        {
            request.Entries.Add(new BulkPublishRequestEntry { EntryId = id, Event = ByteString.CopyFromUtf8(id), ContentType = PubSubCalls.Json });
        }

        await fixture.Sidecar.Dapr.BulkPublishEventAlpha1Async(request, Traced);
        var spans = await SpansAsync(5);
        var whole = spans.Single(span => span.Name == "/dapr.proto.runtime.v1.dapr/bulkpublisheventalpha1");
        var entries = spans.Where(span => span.Name == "/dapr.proto.runtime.v1.dapr/bulkpublisheventalpha1/").ToList();
        Assert.Equal([(whole.Id, "PRODUCER"), (whole.Id, "PRODUCER")], entries.Select(span => (span.ParentId!, span.Kind!)));
        Assert.Equal(entries.Select(span => span.Id).Order(), spans.Where(span => span.Name == "pubsub/news").Select(span => span.ParentId).Order());
    }

    [Fact]
    public async Task Each_event_of_a_batch_has_a_span_whose_context_is_in_the_headers()
    {
        await using var redis = await RedisServer.StartAsync();
        await using var app = await TestApp.StartAsync(Pairs);
        await using var sidecar = await fixture.StartAsync("bulk", Yaml.Redis("pubsub", "pubsub.redis", redis), app.Port);
        for (var i = 0; i < 2; i++) await sidecar.Dapr.PublishAsync("pairs", $"{i}", headers: Traced);
        var received = await app.NextBatchAsync();
        var spans = await SpansAsync(4);

        var published = spans.Where(span => span.Name == Publish).ToList();
        var delivered = spans.Where(span => span.Name == "pubsub/pairs").ToList();
        Assert.Equal(published.Select(span => span.Id).Order(), delivered.Select(span => span.ParentId).Order());
        Assert.All(delivered, span => Assert.Equal(("CLIENT", "bulk"), (span.Kind, span.Service)));

        Assert.Equal(
            published.Select(Context).Order(), received.Batch.Entries.Select(entry => entry.CloudEvent.Extensions.Fields["traceparent"].StringValue).Order());
        Assert.Equal(delivered.Select(Context).Order(), received.Headers.Where(header => header.Key == "traceparent").Select(header => header.Value).Order());
        Assert.Equal(2, received.Headers.Count(header => header.Key == "grpc-trace-bin"));
    }

    [Fact]
    public async Task A_call_to_another_app_creates_a_span_in_each_sidecar()
    {
        var call = new Echo.EchoClient(fixture.Caller.Channel).SayAsync(
            new EchoMessage { Text = "hello" }, [.. Traced, new("dapr-app-id", fixture.Sidecar.AppId)]);
        await call;
        var spans = await SpansAsync(2);
        var caller = spans.Single(span => span.Service == fixture.Caller.AppId);
        Assert.Equal(("/standins.tests.echo/say", "b7ad6b7169203331", "CLIENT"), (caller.Name, caller.ParentId, caller.Kind));
        var callee = spans.Single(span => span.Service == fixture.Sidecar.AppId);
        Assert.Equal(("/standins.tests.echo/say", caller.Id, "SERVER"), (callee.Name, callee.ParentId, callee.Kind));
        Assert.Equal($"{Parent},{Context(caller)}", call.GetTrailers().GetValue("saw-traceparent")!.Replace(" ", ""));
    }

    [Fact]
    public async Task A_failed_call_to_another_app_is_an_error_span_in_each_sidecar()
    {
        var echo = new Echo.EchoClient(fixture.Caller.Channel);
        await Failure.OfAsync(echo.FailAsync(new EchoMessage { Text = "too much" }, [.. Traced, new("dapr-app-id", fixture.Sidecar.AppId)]));
        Assert.Equal(["too much 한글", "too much 한글"], (await SpansAsync(2)).Select(span => span.Tags["error"]));
    }

    [Fact]
    public async Task An_unsampled_context_is_propagated_and_creates_no_spans()
    {
        await fixture.Sidecar.Dapr.PublishAsync("news", "1", headers: new Metadata { { "traceparent", Parent[..^2] + "00" } });
        var passed = (await ReceivedAsync("news")).Headers.GetValue("traceparent")!;
        Assert.Matches($"^00-{trace}-[0-9a-f]{{16}}-00$", passed);
        Assert.DoesNotContain("b7ad6b7169203331", passed);

        // Spans are exported in order: a span of the first call would have arrived before this one.
        var marker = Guid.NewGuid().ToString("N");
        await fixture.Sidecar.Dapr.GetStateAsync(
            new GetStateRequest { StoreName = "store", Key = "k" }, new Metadata { { "traceparent", $"00-{marker}-b7ad6b7169203331-01" } });
        var spans = await fixture.Collector.UntilAsync(come => come.Any(span => span.TraceId == marker));
        Assert.DoesNotContain(spans, span => span.TraceId == trace);
    }

    [Fact]
    public async Task A_call_without_trace_context_starts_a_trace()
    {
        var call = fixture.Sidecar.Dapr.GetStateAsync(new GetStateRequest { StoreName = "store", Key = "k" });
        var trace = Convert.ToHexStringLower((await call.ResponseHeadersAsync).GetValueBytes("grpc-trace-bin").AsSpan(2, 16));
        var spans = await fixture.Collector.UntilAsync(come => come.Any(span => span.TraceId == trace));
        Assert.Null(spans.Single(span => span.TraceId == trace).ParentId);
    }

    [Theory]
    [InlineData("samplingRate: \"1\"", "^00-{0}-(?!b7ad6b7169203331)[0-9a-f]{{16}}-01$")]
    [InlineData("samplingRate: \"0\", zipkin: {endpointAddress: \"http://localhost:1/api/v2/spans\"}", "^$")]
    [InlineData("stdout: false", "^00-{0}-b7ad6b7169203331-01$")]
    public async Task Without_exporter_the_sampling_rate_determines_the_propagated_context(string tracing, string passed)
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "news"));
        await using var sidecar = await Sidecar.StartAsync(
            "alone", Yaml.Component("pubsub", "pubsub.in-memory"), app.Port, ["--config", fixture.Tracing($"{Guid.NewGuid():N}.yaml", tracing)]);
        await sidecar.Dapr.PublishAsync("news", "1", headers: Traced);
        Assert.Matches(string.Format(passed, trace), (await app.NextAsync()).Headers.GetValue("traceparent") ?? "");
    }

    private static string Context(Span span) => $"00-{span.TraceId}-{span.Id}-01";

    private static byte[] Binary(Span span) => [0, 0, .. Convert.FromHexString(span.TraceId), 1, .. Convert.FromHexString(span.Id), 2, 1];

    /// <summary>Waits for the spans of this test and asserts their number.</summary>
    private async Task<List<Span>> SpansAsync(int count)
    {
        var spans = await fixture.Collector.UntilAsync(come => come.Count(span => span.TraceId == trace) >= count);
        Assert.Empty(fixture.Collector.Problems);
        var mine = spans.Where(span => span.TraceId == trace).ToList();
        Assert.Equal(count, mine.Count);
        return mine;
    }

    /// <summary>Returns the next event of this test.</summary>
    private async Task<Received> ReceivedAsync(string topic)
    {
        while (true)
        {
            var received = await fixture.App.NextAsync(topic);
            if (received.Headers.GetValue("traceparent")?.Contains(trace) == true) return received;
        }
    }
}
