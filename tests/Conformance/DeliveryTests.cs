using System.Text.Json;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using static Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types;

namespace Conformance;

/// <summary>Delivery of events with every broker.</summary>
public abstract class DeliveryTests
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private readonly AddressedSidecar addressed;
    private readonly string pubsub;

    protected DeliveryTests(AddressedSidecar addressed, string pubsub)
    {
        this.addressed = addressed;
        this.pubsub = pubsub;
        App.Reset();
    }

    protected TestApp App => addressed.App;

    protected Sidecar Sidecar => addressed.Sidecar;

    [Fact]
    public async Task An_event_is_delivered_with_attributes_reencoded_data_and_extensions()
    {
        await PublishAsync(
            "plain", """{"b": 1.0, "a": 9007199254740993, "c": "<"}""",
            headers: new Metadata { { "traceparent", Parent } }, metadata: [("cloudevent.subject", "s"), ("Custom", "x")]);
        var (got, headers) = await App.NextAsync();
        Assert.Equal("""{"a":9007199254740992,"b":1,"c":"\u003c"}""", got.Data.ToStringUtf8());
        Assert.Equal(
            ("app", "com.dapr.event.sent", "1.0", "application/json", "plain", pubsub, "/plain"),
            (got.Source, got.Type, got.SpecVersion, got.DataContentType, got.Topic, got.PubsubName, got.Path));
        Assert.Equal(["pubsubname", "subject", "time", "topic", "traceid", "traceparent", "tracestate"], got.Extensions.Fields.Keys.Order());
        Assert.Equal((Parent, "s"), (got.Extensions.Fields["traceparent"].StringValue, got.Extensions.Fields["subject"].StringValue));
        Assert.Equal((Parent, pubsub), (headers.GetValue("traceparent"), headers.GetValue("pubsubname")));
        Assert.Equal("x", headers.GetValue("custom"));
        Assert.Equal(29, headers.GetValueBytes("grpc-trace-bin")!.Length);
    }

    [Theory]
    [InlineData("text/plain", "hello", "hello")]
    [InlineData("application/xml", "<a/>", "<a/>")]
    [InlineData("application/octet-stream", "abc", "abc")]
    [InlineData("application/vnd.x+json", "{}", "")]
    [InlineData("application/x-www-form-urlencoded", "a=1", "")]
    [InlineData("application/json", "1e21", "1e+21")]
    [InlineData("application/json", "[0.000001, 1e-7, 123456789012345678, -0.5]", "[0.000001,1e-7,123456789012345680,-0.5]")]
    public async Task The_content_type_determines_which_data_is_delivered(string contentType, string data, string arrives)
    {
        await PublishAsync("plain", data, contentType);
        Assert.Equal(arrives, (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Data_without_content_type_is_not_delivered()
    {
        await PublishAsync("plain", """{"id":"bare","data":"lost"}""", "application/cloudevents+json");
        var got = (await App.NextAsync()).Event;
        Assert.Equal(("bare", "", 0), (got.Id, got.DataContentType, got.Data.Length));
    }

    [Fact]
    public async Task Metadata_named_like_http_headers_does_not_break_the_delivery()
    {
        await PublishAsync("plain", "1", metadata: [("Content-Type", "theirs"), ("Content-Length", "7")]);
        Assert.Equal("1", (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_raw_json_payload_is_delivered_as_an_event_without_attributes()
    {
        await PublishAsync("plain", """{"cups":2}""", metadata: ("rawPayload", "true"));
        var got = (await App.NextAsync()).Event;
        Assert.Equal(("", "", "", 0, 2d), (got.Id, got.Source, got.Type, got.Data.Length, got.Extensions.Fields["cups"].NumberValue));
    }

    [Fact]
    public async Task Without_trace_context_an_event_has_an_all_zero_traceparent()
    {
        await PublishAsync("plain", "1");
        Assert.Equal("00-00000000000000000000000000000000-0000000000000000-00", (await App.NextAsync()).Headers.GetValue("traceparent"));
    }

    [Fact]
    public async Task A_raw_subscription_receives_the_bytes_in_a_new_envelope()
    {
        await PublishAsync("raw", "bytes", metadata: ("rawPayload", "true"));
        var got = (await App.NextAsync()).Event;
        Assert.Equal(("bytes", "application/octet-stream", "Dapr"), (got.Data.ToStringUtf8(), got.DataContentType, got.Source));
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
    public async Task An_event_whose_delivery_fails_is_dead_lettered()
    {
        App.OnTopic("guarded", StatusCode.Internal);
        await PublishAsync("guarded", "1");
        Assert.Equal("dead", (await App.NextAsync("dead")).Event.Topic);
    }

    [Fact]
    public async Task Unimplemented_counts_as_processed()
    {
        App.OnTopic("guarded", StatusCode.Unimplemented);
        await PublishAsync("guarded", "1");
        await App.NextAsync("guarded");
        App.OnTopic("guarded", TopicEventResponseStatus.Drop);
        await PublishAsync("guarded", "2");
        Assert.Equal("2", (await App.NextAsync("dead")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task An_expired_event_is_not_delivered()
    {
        await PublishAsync("guarded", """{"expiration":"2001-01-01T00:00:00Z","data":1}""", "application/cloudevents+json");
        await PublishAsync("guarded", "2");
        Assert.Equal("2", (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_text_event_with_non_string_data_is_dead_lettered()
    {
        await PublishAsync("guarded", """{"id":"odd","datacontenttype":"text/plain","data":1}""", "application/cloudevents+json");
        await PublishAsync("guarded", "2");
        Assert.Equal("2", (await App.NextAsync("guarded")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Custom_attributes_of_a_cloud_event_are_delivered_as_typed_extensions()
    {
        await PublishAsync("plain", """{"id":"1","mine":{"n":1.5,"list":[true,null,"x"]}}""", "application/cloudevents+json");
        var got = (await App.NextAsync()).Event;
        Assert.Equal("""{ "list": [ true, null, "x" ], "n": 1.5 }""", got.Extensions.Fields["mine"].StructValue.ToString());
        Assert.Equal(("1", "", 0), (got.Id, got.DataContentType, got.Data.Length));
    }

    [Fact]
    public async Task A_malformed_event_is_not_delivered()
    {
        await PublishAsync("guarded", "no json", metadata: ("rawPayload", "true"));
        await PublishAsync("plain", "after");
        Assert.Equal("plain", (await App.NextAsync()).Event.Topic);
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

[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class InMemoryDeliveryTests(AddressedSidecar addressed) : DeliveryTests(addressed, "pubsub-in-memory")
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

    [Fact]
    public async Task Events_of_a_topic_arrive_one_at_a_time_and_in_order()
    {
        for (var i = 0; i < 50; i++) await PublishAsync("plain", $"{i}");
        for (var i = 0; i < 50; i++) Assert.Equal($"{i}", (await App.NextAsync()).Event.Data.ToStringUtf8());
    }
}

/// <summary>The in-memory broker with other subscriptions.</summary>
public sealed class InMemoryBrokerTests
{
    private static readonly string Components = Yaml.Component("pubsub", "pubsub.in-memory");

    [Fact]
    public async Task A_topic_with_a_trailing_star_matches_longer_topics_and_is_the_topic_of_delivered_events()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "order*", metadata: ("mark", "of-subscription")));
        await using var sidecar = await Sidecar.StartAsync("wild", Components, app.Port);
        await sidecar.Dapr.PublishAsync("parcel", "1");
        await sidecar.Dapr.PublishAsync("order-created", "2");
        await sidecar.Dapr.PublishAsync("order", "3");
        await sidecar.Dapr.PublishAsync("order-sent", "4");
        var (first, headers) = await app.NextAsync();
        Assert.Equal(("2", "order*", "order-created"), (first.Data.ToStringUtf8(), first.Topic, first.Extensions.Fields["topic"].StringValue));
        Assert.Null(headers.GetValue("mark"));
        Assert.Equal("4", (await app.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Every_subscription_receives_every_event_and_unsubscribed_events_are_lost()
    {
        await using var app = await TestApp.StartAsync(
            TestApp.Subscription("pubsub", "news"), TestApp.Subscription("pubsub", "new*"), TestApp.Subscription("pubsub", "later"));
        await app.StopAsync();
        await using var sidecar = Sidecar.Launch("both", Components, app.Port);
        await sidecar.ServesAsync();
        await sidecar.Dapr.PublishAsync("later", "gone");
        await app.StartAsync();
        await sidecar.ReadyAsync();
        await sidecar.Dapr.PublishAsync("news", "1");
        Assert.Equal(["new*", "news"], new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic }.Order());
        await sidecar.Dapr.PublishAsync("later", "2");
        Assert.Equal("2", (await app.NextAsync()).Event.Data.ToStringUtf8());
    }
}

[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class RedisDeliveryTests(AddressedSidecar addressed) : DeliveryTests(addressed, "pubsub")
{
    private readonly IDatabase redis = addressed.Redis;

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
        await redis.AllAcknowledgedAsync("plain", AddressedSidecar.AppId);
        App.OnTopic("plain", TopicEventResponseStatus.Success);
        await PublishAsync("plain", "2");
        Assert.Equal("2", (await App.NextAsync("plain")).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task A_malformed_event_is_acknowledged_and_lost()
    {
        await PublishAsync("plain", "no json", metadata: ("rawPayload", "true"));
        await redis.AllAcknowledgedAsync("plain", AddressedSidecar.AppId);
        await PublishAsync("plain", "2");
        Assert.Equal("2", (await App.NextAsync()).Event.Data.ToStringUtf8());
    }

    [Fact]
    public async Task Consumer_group_and_consumer_are_named_after_the_app_id()
    {
        await PublishAsync("plain", "1");
        await App.NextAsync("plain");
        await redis.AllAcknowledgedAsync("plain", AddressedSidecar.AppId);
        var consumer = (RedisResult[])((RedisResult[])(await redis.ExecuteAsync("XINFO", "CONSUMERS", "plain", AddressedSidecar.AppId))!)[0]!;
        Assert.Equal(AddressedSidecar.AppId, (string?)consumer[1]);
    }

    [Fact]
    public async Task A_dead_lettered_copy_has_the_component_name_in_its_metadata()
    {
        App.OnTopic("guarded", TopicEventResponseStatus.Drop);
        await PublishAsync("guarded", "1");
        var id = (await App.NextAsync("dead")).Event.Id;
        var original = (await redis.StreamAsync("guarded")).Single(entry => entry["data"].Contains(id));
        var copy = (await redis.StreamAsync("dead")).Single(entry => entry["data"].Contains(id));
        Assert.Equal(original["data"], copy["data"]);
        Assert.Equal("""{"pubsubName":"pubsub"}""", copy["metadata"]);
    }

    [Fact]
    public async Task An_expired_event_is_dead_lettered()
    {
        var id = Guid.NewGuid().ToString();
        await PublishAsync("guarded", $$"""{"id":"{{id}}","expiration":"2001-01-01T00:00:00Z","data":1}""", "application/cloudevents+json");
        await redis.AllAcknowledgedAsync("guarded", AddressedSidecar.AppId);
        Assert.Single(await redis.StreamAsync("dead"), entry => entry["data"].Contains(id));
    }
}
