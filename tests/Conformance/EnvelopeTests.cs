using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>The stream entries that publishing creates.</summary>
[Collection(nameof(OnSharedSidecar))]
public sealed class EnvelopeTests(SharedSidecar shared)
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private readonly string topic = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => shared.Sidecar.Dapr;

    private IDatabase Redis => shared.Redis;

    [Fact]
    public async Task Json_data_is_wrapped_in_a_cloud_event()
    {
        await Dapr.PublishAsync(topic, """{"b": 1.0, "a": {"d": "<&>한글", "c": 12345678901234567890}}""");
        var envelope = await Redis.EnvelopeAsync(topic);
        var (id, time) = (envelope.GetProperty("id").GetString(), envelope.GetProperty("time").GetString());
        var expected = $$$"""
            {"data":{"a":{"c":12345678901234567890,"d":"<&>한글"},"b":1.0},"datacontenttype":"application/json","id":"{{{id}}}","pubsubname":"pubsub",
             "source":"app","specversion":"1.0","time":"{{{time}}}","topic":"{{{topic}}}","traceid":"","traceparent":"","tracestate":"","type":"com.dapr.event.sent"}
            """;
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(envelope.GetRawText())), envelope.GetRawText());
        Assert.True(Guid.TryParse(id, out _));
        Assert.True(DateTimeOffset.TryParse(time, out _));
        Assert.DoesNotContain('.', time!);
    }

    [StandInTheory]
    [InlineData("application/x-protobuf")]
    [InlineData("application/cloudevents+json")]
    [InlineData("application/json", "rawPayload")]
    [InlineData("application/json", "ttlInSeconds")]
    public async Task Other_kinds_of_events_are_rejected_as_unsupported(string contentType, string metadata = "any")
    {
        var failure = await Failure.OfAsync(() => Dapr.PublishAsync(topic, "1", contentType, metadata: (metadata, "true")));
        Assert.Equal(StatusCode.Unimplemented, failure.StatusCode);
        Assert.EndsWith("not in this stand-in for daprd", failure.Status.Detail);
    }

    [Theory]
    [InlineData("application/json", "no json", "data", "no json", "application/json")]
    [InlineData("application/json", "", "data", "", "application/json")]
    [InlineData("APPLICATION/JSON; charset=utf-8", "7", "data", "7", "APPLICATION/JSON; charset=utf-8")]
    [InlineData("", "text", "data", "text", "text/plain")]
    [InlineData("application/vnd.x+json", "{}", "data", "{}", "application/vnd.x+json")]
    [InlineData("application/octet-stream", "abc", "data_base64", "YWJj", "application/octet-stream")]
    [InlineData("application/octet-stream ; q=1", "abc", "data", "abc", "application/octet-stream ; q=1")]
    public async Task The_content_type_determines_how_data_is_stored(string contentType, string data, string member, string kept, string stored)
    {
        await Dapr.PublishAsync(topic, data, contentType);
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(kept, envelope.GetProperty(member).ToString());
        Assert.False(envelope.TryGetProperty(member == "data" ? "data_base64" : "data", out _));
        Assert.Equal(stored, envelope.GetProperty("datacontenttype").GetString());
    }

    [Fact]
    public async Task Metadata_overrides_attributes_case_insensitively()
    {
        await Dapr.PublishAsync(
            topic, "1", metadata:
            [
                ("cloudevent.id", "my-id"), ("CloudEvent.Type", "my-type"), ("cloudevent.traceparent", Parent), ("cloudevent.topic", "no"), ("cloudevent.other", "no"),
            ]);
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(
            ["my-id", "my-type", Parent, Parent, topic],
            new[] { "id", "type", "traceid", "traceparent", "topic" }.Select(name => envelope.GetProperty(name).GetString()));
        Assert.False(envelope.TryGetProperty("other", out _));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_trace_context_of_the_caller_is_stored_unchanged(bool binary)
    {
        var headers = new Metadata { { "tracestate", "lost=1" } };
        var (trace, span) = (Convert.FromHexString("0af7651916cd43dd8448eb211c80319c"), Convert.FromHexString("b7ad6b7169203331"));
        if (binary) headers.Add("grpc-trace-bin", (byte[])[0, 0, .. trace, 1, .. span, 2, 1]);
        else headers.Add("traceparent", Parent);
        await Dapr.PublishAsync(topic, "1", headers: headers);
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal((Parent, Parent, ""), (Text("traceid"), Text("traceparent"), Text("tracestate")));

        string? Text(string name) => envelope.GetProperty(name).GetString();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_all_zero_trace_context_is_ignored(bool binary)
    {
        var headers = new Metadata();
        if (binary) headers.Add("grpc-trace-bin", (byte[])[0, 0, .. new byte[16], 1, .. new byte[8], 2, 0]);
        else headers.Add("traceparent", "00-00000000000000000000000000000000-0000000000000000-00");
        await Dapr.PublishAsync(topic, "1", headers: headers);
        Assert.Equal("", (await Redis.EnvelopeAsync(topic)).GetProperty("traceparent").GetString());
    }

    [Theory]
    [InlineData("other", "t", StatusCode.InvalidArgument, "pubsub other is not found")]
    [InlineData("", "t", StatusCode.InvalidArgument, "pubsub name is empty")]
    [InlineData("pubsub", "", StatusCode.InvalidArgument, "topic is empty in pubsub pubsub")]
    [InlineData("scoped", "theirs", StatusCode.PermissionDenied, "topic theirs is not allowed for app id app")]
    [InlineData("silenced", "any", StatusCode.PermissionDenied, "topic any is not allowed for app id app")]
    public async Task Publishing_outside_the_scopes_is_rejected(string pubsub, string topic, StatusCode status, string message)
    {
        var failure = await Failure.OfAsync(Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = pubsub, Topic = topic }));
        Assert.Equal((status, message), (failure.StatusCode, failure.Status.Detail));
    }

    [Fact]
    public async Task Publishing_to_a_topic_inside_the_scopes_succeeds()
    {
        await Redis.KeyDeleteAsync("mine");
        await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "scoped", Topic = "mine" });
        Assert.Single(await Redis.StreamAsync("mine"));
    }

    [Theory]
    [InlineData("/v1.0/publish/other/t", "{}", HttpStatusCode.NotFound, "ERR_PUBSUB_NOT_FOUND")]
    [InlineData("/v1.0/publish/silenced/t", "{}", HttpStatusCode.Forbidden, "ERR_PUBSUB_FORBIDDEN")]
    public async Task Http_errors_have_a_status_and_an_error_code(string path, string body, HttpStatusCode status, string code)
    {
        using var response = await shared.Sidecar.Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(status, response.StatusCode);
        Assert.Contains($"\"errorCode\":\"{code}\"", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_stream_is_trimmed_only_if_the_component_is_configured_to()
    {
        for (var i = 0; i < 300; i++)
        {
            await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "trimmed", Topic = topic });
            await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "pubsub", Topic = topic + "whole" });
        }

        Assert.InRange((await Redis.StreamAsync(topic)).Count, 1, 299);
        Assert.Equal(300, (await Redis.StreamAsync(topic + "whole")).Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bulk_publish_wraps_each_entry_under_the_stable_and_the_alpha_rpc(bool stable)
    {
        var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic };
        request.Entries.Add(new BulkPublishRequestEntry { EntryId = "1", Event = ByteString.CopyFromUtf8("1"), ContentType = PubSubCalls.Json });
        request.Entries.Add(new BulkPublishRequestEntry
        {
            EntryId = "2",
            Event = ByteString.CopyFromUtf8("2"),
            ContentType = PubSubCalls.Json,
            Metadata = { ["cloudevent.id"] = "two", ["cloudevent.type"] = "mine" },
        });
        var response = stable ? await Dapr.BulkPublishEventAsync(request) : await Dapr.BulkPublishEventAlpha1Async(request);
        Assert.Empty(response.FailedEntries);
        var envelopes = (await Redis.StreamAsync(topic))
            .Select(e => JsonDocument.Parse(e["data"]).RootElement)
            .OrderBy(e => e.GetProperty("data").GetInt32()).ToList();
        Assert.Equal(["com.dapr.event.sent", "mine"], envelopes.Select(e => e.GetProperty("type").GetString()));
        Assert.Equal("two", envelopes[1].GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("1")]
    public async Task Missing_or_duplicate_entry_ids_are_rejected_and_nothing_is_published(string second)
    {
        var request = new BulkPublishRequest
        {
            PubsubName = "pubsub",
            Topic = topic,
            Entries = { new BulkPublishRequestEntry { EntryId = "1" }, new BulkPublishRequestEntry { EntryId = second } },
        };
        var failure = await Failure.OfAsync(Dapr.BulkPublishEventAlpha1Async(request));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.Empty(await Redis.StreamAsync(topic));
    }

    [Fact]
    public async Task Http_publish_takes_the_trace_context_and_metadata_of_the_query()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1.0/publish/pubsub/{topic}?metadata.cloudevent.id=mine")
        {
            Content = new StringContent("{}", Encoding.UTF8, "application/json"), Headers = { { "traceparent", Parent }, { "tracestate", "a=b" } },
        };
        Assert.Equal(HttpStatusCode.NoContent, (await shared.Sidecar.Http.SendAsync(request)).StatusCode);
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(["mine", Parent, "a=b"], new[] { "id", "traceparent", "tracestate" }.Select(name => envelope.GetProperty(name).GetString()));
    }
}
