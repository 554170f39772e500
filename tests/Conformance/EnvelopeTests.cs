using System.Net;
using System.Text;
using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>The stream entries that publishing creates.</summary>
[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class EnvelopeTests(AddressedSidecar addressed)
{
    private const string Parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    private readonly string topic = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => addressed.Sidecar.Dapr;

    private IDatabase Redis => addressed.Redis;

    [Fact]
    public async Task Json_data_is_wrapped_with_sorted_members_and_go_escaping()
    {
        await Dapr.PublishAsync(topic, """{"b": 1.0, "a": {"d": "<&>", "c": 12345678901234567890}} and more""");
        var entry = Assert.Single(await Redis.StreamAsync(topic));
        Assert.Equal("data", Assert.Single(entry.Keys));
        var envelope = JsonDocument.Parse(entry["data"]).RootElement;
        var (id, time) = (envelope.GetProperty("id").GetString(), envelope.GetProperty("time").GetString());
        Assert.Equal(
            """{"data":{"a":{"c":12345678901234567890,"d":"\u003c\u0026\u003e"},"b":1.0},"datacontenttype":"application/json","id":"ID","pubsubname":"pubsub","source":"app","specversion":"1.0","time":"TIME","topic":"TOPIC","traceid":"","traceparent":"","tracestate":"","type":"com.dapr.event.sent"}"""
                .Replace("ID", id).Replace("TIME", time).Replace("TOPIC", topic),
            entry["data"]);
        Assert.Equal('4', id![14]);
        Assert.True(DateTimeOffset.TryParse(time, out _));
        Assert.DoesNotContain('.', time!);
    }

    [Theory]
    [InlineData("application/json", "no json", "data", "no json", "application/json")]
    [InlineData("application/json", "", "data", "", "application/json")]
    [InlineData("APPLICATION/JSON; charset=utf-8", "7", "data", "7", "APPLICATION/JSON; charset=utf-8")]
    [InlineData("", "text", "data", "text", "text/plain")]
    [InlineData("application/vnd.x+json", "{}", "data", "{}", "application/vnd.x+json")]
    [InlineData("application/octet-stream", "abc", "data_base64", "YWJj", "application/octet-stream")]
    [InlineData("application/octet-stream ; q=1", "abc", "data", "abc", "application/octet-stream ; q=1")]
    [InlineData("application/cloudevents+protobuf", "abc", "data_base64", "YWJj", "application/cloudevents+protobuf")]
    public async Task The_content_type_determines_how_data_is_stored(string contentType, string data, string member, string kept, string stored)
    {
        await Dapr.PublishAsync(topic, data, contentType);
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(kept, envelope.GetProperty(member).ToString());
        Assert.False(envelope.TryGetProperty(member == "data" ? "data_base64" : "data", out _));
        Assert.Equal(stored, envelope.GetProperty("datacontenttype").GetString());
    }

    [StandInFact]
    public async Task Protobuf_data_is_rejected_as_unsupported()
    {
        var failure = await Failure.OfAsync(() => Dapr.PublishAsync(topic, "1", "application/x-protobuf"));
        Assert.Equal(
            (StatusCode.Unimplemented, "data of type application/x-protobuf is not in this stand-in for daprd"),
            (failure.StatusCode, failure.Status.Detail));
    }

    [Fact]
    public async Task Invalid_utf8_in_text_is_replaced()
    {
        await Dapr.PublishEventAsync(
            new PublishEventRequest { PubsubName = "pubsub", Topic = topic, Data = ByteString.CopyFrom(0x61, 0xff), DataContentType = "text/plain" });
        Assert.Equal("a\ufffd", (await Redis.EnvelopeAsync(topic)).GetProperty("data").GetString());
    }

    [Fact]
    public async Task Metadata_overrides_attributes_case_insensitively_and_is_stored()
    {
        await Dapr.PublishAsync(
            topic, "1", metadata:
            [
                ("cloudevent.id", "my-id"), ("CloudEvent.Source", "my-source"), ("cloudevent.type", "my-type"), ("cloudevent.subject", "my-subject"),
                ("cloudevent.traceid", "lost"), ("cloudevent.traceparent", Parent), ("cloudevent.tracestate", "a=b"),
                ("cloudevent.topic", "no"), ("cloudevent.other", "no"),
            ]);
        var entry = Assert.Single(await Redis.StreamAsync(topic));
        var envelope = JsonDocument.Parse(entry["data"]).RootElement;
        Assert.Equal(
            ["my-id", "my-source", "my-type", "my-subject", Parent, Parent, "a=b", topic],
            new[] { "id", "source", "type", "subject", "traceid", "traceparent", "tracestate", "topic" }
                .Select(name => envelope.GetProperty(name).GetString()));
        Assert.False(envelope.TryGetProperty("other", out _));
        Assert.Equal("my-id", JsonDocument.Parse(entry["metadata"]).RootElement.GetProperty("cloudevent.id").GetString());
    }

    [Fact]
    public async Task A_trace_id_in_the_metadata_is_also_the_traceparent()
    {
        await Dapr.PublishAsync(topic, "1", headers: new Metadata { { "traceparent", Parent } }, metadata: ("cloudevent.traceid", "mine"));
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(("mine", "mine"), (envelope.GetProperty("traceid").GetString(), envelope.GetProperty("traceparent").GetString()));
    }

    [Theory]
    [InlineData("ttlInSeconds", "100", true)]
    [InlineData("TTL", "1m40s", true)]
    [InlineData("ttl", "soon", false)]
    [InlineData("ttl", "-5", false)]
    public async Task A_ttl_becomes_an_expiration(string name, string value, bool expires)
    {
        var before = DateTimeOffset.UtcNow;
        await Dapr.PublishAsync(topic, "1", metadata: (name, value));
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(expires, envelope.TryGetProperty("expiration", out var expiration));
        if (expires) Assert.InRange((expiration.GetDateTimeOffset() - before).TotalSeconds, 98, 110);
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

    [Fact]
    public async Task A_published_cloud_event_keeps_its_attributes_and_missing_ones_are_added()
    {
        await Dapr.PublishAsync(
            topic, """{"z":1,"data":{"x":1},"traceparent":"theirs"}""", "application/cloudevents+json",
            new Metadata { { "traceparent", Parent } }, ("cloudevent.id", "ignored"));
        var envelope = await Redis.EnvelopeAsync(topic);
        Assert.Equal(
            ["data", "pubsubname", "source", "specversion", "time", "topic", "traceid", "traceparent", "tracestate", "type", "z"],
            envelope.EnumerateObject().Select(m => m.Name));
        Assert.Equal(
            ("Dapr", Parent, Parent),
            (envelope.GetProperty("source").GetString(), envelope.GetProperty("traceid").GetString(), envelope.GetProperty("traceparent").GetString()));
    }

    [Fact]
    public async Task An_invalid_cloud_event_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.PublishAsync(topic, "[]", "application/cloudevents+json"));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.StartsWith("cannot create cloudevent", failure.Status.Detail);
    }

    [Fact]
    public async Task A_raw_payload_is_stored_without_envelope_and_with_its_trace_context_in_the_metadata()
    {
        await Dapr.PublishAsync(topic, "just this", headers: new Metadata { { "traceparent", Parent } }, metadata: ("rawPayload", "true"));
        var entry = Assert.Single(await Redis.StreamAsync(topic));
        Assert.Equal("just this", entry["data"]);
        Assert.Equal($$"""{"rawPayload":"true","traceid":"{{Parent}}","tracestate":""}""", entry["metadata"]);
    }

    [Theory]
    [InlineData("other", "t", StatusCode.InvalidArgument, "pubsub other is not found")]
    [InlineData("", "t", StatusCode.InvalidArgument, "pubsub name is empty")]
    [InlineData("pubsub", "", StatusCode.InvalidArgument, "topic is empty in pubsub pubsub")]
    [InlineData("scoped", "theirs", StatusCode.PermissionDenied, "topic theirs is not allowed for app id app")]
    [InlineData("silenced", "any", StatusCode.PermissionDenied, "topic any is not allowed for app id app")]
    [InlineData("listed", "three", StatusCode.PermissionDenied, "topic three is not allowed for app id app")]
    [InlineData("guarded", "secret", StatusCode.PermissionDenied, "topic secret is not allowed for app id app")]
    [InlineData("scoped", "secret", StatusCode.PermissionDenied, "topic secret is not allowed for app id app")]
    public async Task Publishing_outside_the_scopes_is_rejected(string pubsub, string topic, StatusCode status, string message)
    {
        var failure = await Failure.OfAsync(Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = pubsub, Topic = topic }));
        Assert.Equal((status, message), (failure.StatusCode, failure.Status.Detail));
    }

    [Theory]
    [InlineData("scoped", "mine")]
    [InlineData("listed", "two")]
    [InlineData("guarded", "public")]
    public async Task Publishing_to_a_topic_inside_the_scopes_succeeds(string pubsub, string topic)
    {
        await Redis.KeyDeleteAsync(topic);
        await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = pubsub, Topic = topic });
        Assert.Single(await Redis.StreamAsync(topic));
    }

    [Theory]
    [InlineData("/v1.0/publish/other/t", "{}", HttpStatusCode.NotFound, "ERR_PUBSUB_NOT_FOUND")]
    [InlineData("/v1.0/publish/pubsub/", "{}", HttpStatusCode.NotFound, "ERR_DIRECT_INVOKE")]
    [InlineData("/v1.0/publish/silenced/t", "{}", HttpStatusCode.Forbidden, "ERR_PUBSUB_FORBIDDEN")]
    [InlineData("/v1.0/publish/pubsub/t?metadata.rawPayload=maybe", "{}", HttpStatusCode.BadRequest, "ERR_PUBSUB_REQUEST_METADATA")]
    [InlineData("/v1.0/publish/bulk/pubsub/t",
        """[{"entryId":"1","event":1,"contentType":"application/json"},{"entryId":"1","event":1,"contentType":"application/json"}]""",
        HttpStatusCode.BadRequest, "ERR_PUBSUB_EVENTS_SER")]
    public async Task Http_errors_have_a_status_and_an_error_code(string path, string body, HttpStatusCode status, string code)
    {
        using var response = await addressed.Sidecar.Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal(status, response.StatusCode);
        Assert.Contains($"\"errorCode\":\"{code}\"", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Http_reports_a_body_over_the_limit_as_a_publish_error()
    {
        using var response = await addressed.Sidecar.Http.PostAsync($"/v1.0/publish/pubsub/{topic}", new ByteArrayContent(new byte[4 * 1024 * 1024 + 2]));
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Contains("ERR_PUBSUB_PUBLISH_MESSAGE", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Http_truncates_a_body_one_byte_over_the_limit()
    {
        var body = new byte[(4 * 1024 * 1024) + 1];
        Array.Fill(body, (byte)'x');
        using var response = await addressed.Sidecar.Http.PostAsync($"/v1.0/publish/pubsub/{topic}?metadata.rawPayload=true", new ByteArrayContent(body));
        Assert.Equal(HttpStatusCode.NoContent, response.StatusCode);
        Assert.Equal(body.Length - 1, Assert.Single(await Redis.StreamAsync(topic))["data"].Length);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("0s")]
    [InlineData("-5s")]
    public async Task A_ttl_of_zero_or_less_expires_at_once(string value)
    {
        var before = DateTimeOffset.UtcNow;
        await Dapr.PublishAsync(topic, "1", metadata: ("ttlInSeconds", value));
        Assert.InRange(((await Redis.EnvelopeAsync(topic)).GetProperty("expiration").GetDateTimeOffset() - before).TotalSeconds, -2, 10);
    }

    [Fact]
    public async Task In_a_bulk_publish_only_the_metadata_of_the_request_selects_raw_payloads()
    {
        var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic, Metadata = { ["rawPayload"] = "true" } };
        request.Entries.Add(new BulkPublishRequestEntry { EntryId = "1", Event = ByteString.CopyFromUtf8("just this") });
        await Dapr.BulkPublishEventAsync(request);
        Assert.Equal("just this", Assert.Single(await Redis.StreamAsync(topic))["data"]);
        request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic + "wrapped" };
        request.Entries.Add(new BulkPublishRequestEntry { EntryId = "1", Event = ByteString.CopyFromUtf8("wrapped"), Metadata = { ["rawPayload"] = "true" } });
        await Dapr.BulkPublishEventAsync(request);
        Assert.Equal("wrapped", (await Redis.EnvelopeAsync(topic + "wrapped")).GetProperty("data").GetString());
    }

    [Fact]
    public async Task The_ttl_of_a_bulk_request_does_not_apply_to_entries_without_metadata()
    {
        var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic, Metadata = { ["ttlInSeconds"] = "100" } };
        request.Entries.Add(new BulkPublishRequestEntry { EntryId = "1", Event = ByteString.CopyFromUtf8("1"), ContentType = PubSubCalls.Json });
        await Dapr.BulkPublishEventAsync(request);
        Assert.False((await Redis.EnvelopeAsync(topic)).TryGetProperty("expiration", out _));
    }

    [Fact]
    public async Task Only_the_characters_that_go_escapes_are_escaped()
    {
        await Dapr.PublishAsync(topic, "\"한글 😀\u3000\u007f \\u001f\\u2028\"");
        Assert.Contains("\"data\":\"한글 😀\u3000\u007f \\u001f\\u2028\"", Assert.Single(await Redis.StreamAsync(topic))["data"]);
        await Dapr.PublishAsync(topic + "text", "한글 😀 \u2028\b<", "text/plain");
        Assert.Contains("\"data\":\"한글 😀 \\u2028\\b\\u003c\"", Assert.Single(await Redis.StreamAsync(topic + "text"))["data"]);
    }

    [Fact]
    public async Task An_invalid_raw_payload_flag_is_rejected()
    {
        var failure = await Failure.OfAsync(() => Dapr.PublishAsync(topic, "1", metadata: ("rawPayload", "maybe")));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
    }

    [Fact]
    public async Task A_stream_is_trimmed_only_if_the_component_is_configured_to()
    {
        for (var i = 0; i < 300; i++)
        {
            await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "trimmed", Topic = topic });
            await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "aging", Topic = topic + "young" });
            await Dapr.PublishEventAsync(new PublishEventRequest { PubsubName = "pubsub", Topic = topic + "whole" });
        }

        Assert.InRange((await Redis.StreamAsync(topic)).Count, 1, 299);
        Assert.InRange((await Redis.StreamAsync(topic + "young")).Count, 1, 299);
        Assert.Equal(300, (await Redis.StreamAsync(topic + "whole")).Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bulk_publish_wraps_each_entry_under_the_stable_and_the_alpha_rpc(bool stable)
    {
        var request = new BulkPublishRequest { PubsubName = "pubsub", Topic = topic, Metadata = { ["cloudevent.type"] = "of-request" } };
        request.Entries.Add(new BulkPublishRequestEntry { EntryId = "1", Event = ByteString.CopyFromUtf8("1"), ContentType = PubSubCalls.Json });
        request.Entries.Add(new BulkPublishRequestEntry
        {
            EntryId = "2",
            Event = ByteString.CopyFromUtf8("2"),
            ContentType = PubSubCalls.Json,
            Metadata = { ["cloudevent.id"] = "two" },
        });
        var response = stable ? await Dapr.BulkPublishEventAsync(request) : await Dapr.BulkPublishEventAlpha1Async(request);
        Assert.Empty(response.FailedEntries);
        var envelopes = (await Redis.StreamAsync(topic))
            .Select(e => JsonDocument.Parse(e["data"]).RootElement)
            .OrderBy(e => e.GetProperty("data").GetInt32()).ToList();
        Assert.Equal(["com.dapr.event.sent", "of-request"], envelopes.Select(e => e.GetProperty("type").GetString()));
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
    public async Task Http_publish_reads_metadata_from_the_query_and_a_topic_with_slashes_and_spaces()
    {
        using var timed = await addressed.Sidecar.Http.PutAsync($"/v1.0/publish/pubsub/{topic}/of%20mine?metadata.ttlInSeconds=100", new StringContent("text"));
        Assert.Equal(HttpStatusCode.NoContent, timed.StatusCode);
        var envelope = await Redis.EnvelopeAsync($"{topic}/of mine");
        Assert.Equal(("text", true), (envelope.GetProperty("data").GetString(), envelope.TryGetProperty("expiration", out _)));
        using var raw = await addressed.Sidecar.Http.PostAsync($"/v1.0/publish/pubsub/{topic}?metadata.rawPayload=true", new StringContent("just this"));
        Assert.Equal(HttpStatusCode.NoContent, raw.StatusCode);
        var entry = Assert.Single(await Redis.StreamAsync(topic));
        Assert.Equal(("just this", """{"rawPayload":"true"}"""), (entry["data"], entry["metadata"]));
    }

    [Theory]
    [InlineData("v1.0")]
    [InlineData("v1.0-alpha1")]
    public async Task Http_bulk_publish_decodes_each_entry_by_its_content_type(string version)
    {
        const string Entries = """
            [
              {"entryId":"1","event":{"n":1.0},"contentType":"application/json"},
              {"entryId":"2","event":"text","contentType":"text/plain","metadata":{"cloudevent.id":"mine"}},
              {"entryId":"3","event":"YWJj","contentType":"application/octet-stream"}
            ]
            """;
        using var published = await addressed.Sidecar.Http.PostAsync(
            $"/{version}/publish/bulk/pubsub/{topic}", new StringContent(Entries, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.NoContent, published.StatusCode);
        var envelopes = (await Redis.StreamAsync(topic)).ToDictionary(
            e => JsonDocument.Parse(e["data"]).RootElement.GetProperty("datacontenttype").GetString()!, e => JsonDocument.Parse(e["data"]).RootElement);
        Assert.Equal("""{"n":1}""", envelopes["application/json"].GetProperty("data").GetRawText());
        Assert.Equal(("text", "mine"), (envelopes["text/plain"].GetProperty("data").GetString(), envelopes["text/plain"].GetProperty("id").GetString()));
        Assert.Equal("YWJj", envelopes["application/octet-stream"].GetProperty("data_base64").GetString());
    }

    [Theory]
    [InlineData("1", "text/plain")]
    [InlineData("\"no base64!\"", "application/octet-stream")]
    public async Task Http_bulk_publish_rejects_all_entries_if_one_does_not_match_its_content_type(string data, string contentType)
    {
        var entries = $$"""[{"entryId":"1","event":1,"contentType":"application/json"},{"entryId":"2","event":{{data}},"contentType":"{{contentType}}"}]""";
        using var refused = await addressed.Sidecar.Http.PostAsync(
            $"/v1.0/publish/bulk/pubsub/{topic}",
            new StringContent(entries, Encoding.UTF8, "application/json"));
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Empty(await Redis.StreamAsync(topic));
    }

    [Fact]
    public async Task Http_publish_always_stores_metadata()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1.0/publish/pubsub/{topic}")
        {
            Content = new StringContent("{}", Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("traceparent", Parent);
        request.Headers.Add("tracestate", "a=b");
        Assert.Equal(HttpStatusCode.NoContent, (await addressed.Sidecar.Http.SendAsync(request)).StatusCode);
        var entry = Assert.Single(await Redis.StreamAsync(topic));
        Assert.Equal("{}", entry["metadata"]);
        var envelope = JsonDocument.Parse(entry["data"]).RootElement;
        Assert.Equal((Parent, "a=b"), (envelope.GetProperty("traceparent").GetString(), envelope.GetProperty("tracestate").GetString()));
        var unknown = await addressed.Sidecar.Http.PostAsync("/v1.0/publish/other/t", null);
        Assert.Equal(HttpStatusCode.NotFound, unknown.StatusCode);
        Assert.Contains("ERR_PUBSUB_NOT_FOUND", await unknown.Content.ReadAsStringAsync());
    }
}
