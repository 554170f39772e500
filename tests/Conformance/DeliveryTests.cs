using System.Text.Json;
using System.Text.Json.Nodes;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Delivery of events with every broker.</summary>
public abstract class DeliveryTests
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private readonly SharedSidecar shared;
    private readonly string pubsub;

    protected DeliveryTests(SharedSidecar shared, string pubsub)
    {
        this.shared = shared;
        this.pubsub = pubsub;
        App.Reset();
    }

    protected TestApp App => shared.App;

    protected Sidecar Sidecar => shared.Sidecar;

    [Fact]
    public async Task An_event_is_delivered_with_attributes_reencoded_data_and_extensions()
    {
        await PublishAsync(
            "plain", """{"b": 1.0, "a": 9007199254740993, "c": "<"}""",
            headers: new Metadata { { "traceparent", Parent } });
        var (got, headers) = await App.NextAsync();
        // daprd decodes the data and encodes them anew, with every number as a float64; the order of members is not part of the contract.
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"a":9007199254740992,"b":1,"c":"<"}"""), JsonNode.Parse(got.Data.ToStringUtf8())));
        Assert.Equal(
            ("app", "com.dapr.event.sent", "1.0", "application/json", "plain", pubsub, "/plain"),
            (got.Source, got.Type, got.SpecVersion, got.DataContentType, got.Topic, got.PubsubName, got.Path));
        Assert.Equal(["pubsubname", "time", "topic", "traceid", "traceparent", "tracestate"], got.Extensions.Fields.Keys.Order());
        Assert.Equal(Parent, got.Extensions.Fields["traceparent"].StringValue);
        Assert.Equal((Parent, pubsub), (headers.GetValue("traceparent"), headers.GetValue("pubsubname")));
        Assert.Equal(29, headers.GetValueBytes("grpc-trace-bin")!.Length);
    }

    [Theory]
    [InlineData("text/plain", "hello", "hello")]
    [InlineData("application/xml", "<a/>", "<a/>")]
    [InlineData("application/octet-stream", "abc", "abc")]
    [InlineData("application/vnd.x+json", "{}", "")]
    [InlineData("application/x-www-form-urlencoded", "a=1", "")]
    [InlineData("application/json", "[123456789012345678, -0.5]", "[123456789012345680,-0.5]")]
    public async Task The_content_type_determines_which_data_is_delivered(string contentType, string data, string arrives)
    {
        await PublishAsync("plain", data, contentType);
        Assert.Equal(arrives, (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Without_trace_context_an_event_has_an_all_zero_traceparent()
    {
        await PublishAsync("plain", "1");
        Assert.Equal("00-00000000000000000000000000000000-0000000000000000-00", (await App.NextAsync()).Headers.GetValue("traceparent"));
    }

    [Fact]
    public async Task A_dropped_event_is_dead_lettered_unchanged()
    {
        App.OnTopic("guarded", TopicEventResponseStatus.Drop);
        await PublishAsync("guarded", "1");
        var first = await App.NextAsync("guarded");
        var dead = await App.NextAsync("dead");
        Assert.Equal((first.Event.Id, "guarded"), (dead.Event.Id, dead.Event.Extensions.Fields["topic"].StringValue));
    }

    [Theory]
    [InlineData(TopicEventResponseStatus.Retry)]
    [InlineData((TopicEventResponseStatus)9)]
    public async Task A_retry_status_without_retry_policy_is_dead_lettered(TopicEventResponseStatus status)
    {
        App.OnTopic("guarded", status);
        await PublishAsync("guarded", "1");
        Assert.Equal("guarded", (await App.NextAsync()).Event.Topic);
        Assert.Equal("dead", (await App.NextAsync()).Event.Topic);
    }

    [Fact]
    public async Task An_event_whose_delivery_fails_is_dead_lettered_but_one_that_the_app_does_not_implement_is_lost()
    {
        App.OnTopic("guarded", e => throw new RpcException(new Status(e.Data.ToStringUtf8() == "1" ? StatusCode.Unimplemented : StatusCode.Internal, "")));
        await PublishAsync("guarded", "1");
        await PublishAsync("guarded", "2");
        Assert.Equal("2", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Metadata_contains_the_subscriptions()
    {
        var metadata = await Sidecar.Dapr.GetMetadataAsync(new());
        Assert.Equal(App.Subscriptions.Select(s => (s.PubsubName, s.Topic)).Order(), metadata.Subscriptions.Select(s => (s.PubsubName, s.Topic)).Order());
        Assert.Equal(App.Port, metadata.AppConnectionProperties.Port);
        using var json = JsonDocument.Parse(await Sidecar.Http.GetStringAsync("/v1.0/metadata"));
        var raw = json.RootElement.GetProperty("subscriptions").EnumerateArray().Single(
            s => (s.GetProperty("pubsubname").GetString(), s.GetProperty("topic").GetString()) == (pubsub, "raw"));
        Assert.Equal(("PROGRAMMATIC", "true"), (raw.GetProperty("type").GetString(), raw.GetProperty("metadata").GetProperty("rawPayload").GetString()));
    }

    protected Task PublishAsync(
        string topic, string data, string contentType = PubSubCalls.Json, Metadata? headers = null, params (string Name, string Value)[] metadata) =>
        Sidecar.Dapr.PublishToAsync(pubsub, topic, data, contentType, headers, metadata);
}

[Collection(nameof(OnSharedSidecar))]
public sealed class InMemoryDeliveryTests(SharedSidecar shared) : DeliveryTests(shared, "pubsub-in-memory")
{
    [Fact]
    public async Task The_in_memory_broker_does_not_redeliver()
    {
        App.OnTopic("plain", TopicEventResponseStatus.Retry);
        await PublishAsync("plain", "1");
        await PublishAsync("plain", "2");
        Assert.Equal(("1", "2"), ((await App.NextAsync()).Event.Data.ToStringUtf8(), (await App.NextAsync()).Event.Data.ToStringUtf8()));
    }

    [Fact]
    public async Task Publishing_blocks_until_the_previous_event_is_handled()
    {
        var held = new TaskCompletionSource<TopicEventResponse>();
        App.OnTopic("plain", _ => held.Task);
        await PublishAsync("plain", "1");
        await App.NextAsync("plain");
        var second = PublishAsync("plain", "2");
        await PublishAsync("guarded", "of another topic");
        await App.NextAsync("guarded");
        Assert.False(second.IsCompleted);
        held.SetResult(new TopicEventResponse());
        await second;
        await App.NextAsync("plain");
    }
}

/// <summary>The in-memory broker with other subscriptions.</summary>
public sealed class InMemoryBrokerTests
{
    private static readonly string Components = Yaml.Component("pubsub", "pubsub.in-memory");

    [Fact]
    public async Task Every_subscription_receives_every_event_and_unsubscribed_events_are_lost()
    {
        await using var app = await TestApp.StartAsync(
            TestApp.Subscription("pubsub", "news", "dead"), TestApp.Subscription("pubsub", "news"), TestApp.Subscription("pubsub", "later"));
        await app.StopAsync();
        await using var sidecar = Sidecar.Launch("both", Components, app.Port);
        await sidecar.ServesAsync();
        await sidecar.Dapr.PublishAsync("later", "gone");
        await app.StartAsync();
        await sidecar.ReadyAsync();
        await sidecar.Dapr.PublishAsync("news", "1");
        Assert.Equal(["news", "news"], new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic });
        await sidecar.Dapr.PublishAsync("later", "2");
        Assert.Equal("2", (await app.NextAsync()).Event.Data.ToStringUtf8());
    }
}

[Collection(nameof(OnSharedSidecar))]
public sealed class RedisDeliveryTests(SharedSidecar shared) : DeliveryTests(shared, "pubsub")
{
    private readonly IDatabase redis = shared.Redis;

    [Theory]
    [InlineData("success")]
    [InlineData("drop")]
    [InlineData("retry")]
    [InlineData("error")]
    public async Task A_message_is_acknowledged_and_not_redelivered_regardless_of_the_response(string answer)
    {
        if (answer == "error") App.OnTopic("plain", StatusCode.Unavailable);
        else App.OnTopic("plain", Enum.Parse<TopicEventResponseStatus>(answer, ignoreCase: true));
        await PublishAsync("plain", "1");
        await App.NextAsync("plain");
        await redis.AllAcknowledgedAsync("plain", SharedSidecar.AppId);
        App.OnTopic("plain", TopicEventResponseStatus.Success);
        await PublishAsync("plain", "2");
        Assert.Equal("2", (await App.NextAsync("plain")).Event.Data.ToStringUtf8());
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("""{"id":"odd","datacontenttype":"text/plain","data":1}""")]
    public async Task A_malformed_event_is_acknowledged_and_lost(string data)
    {
        await redis.StreamAddAsync("plain", "data", data);
        await redis.AllAcknowledgedAsync("plain", SharedSidecar.AppId);
        await PublishAsync("plain", "2");
        Assert.Equal("2", (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_raw_subscription_receives_the_bytes_in_a_new_envelope()
    {
        await redis.StreamAddAsync("raw", "data", "bytes");
        var got = (await App.NextAsync()).Event;
        Assert.Equal(("bytes", "application/octet-stream", "Dapr"), (got.Data.ToStringUtf8(), got.DataContentType, got.Source));
    }
}
