using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Zipkin;

namespace Traces;

/// <summary>How a span becomes Zipkin's JSON.</summary>
public sealed class ZipkinSpanTests : IDisposable
{
    private static readonly DateTime Start = new(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
    private static readonly ActivityContext Parent = new(
        ActivityTraceId.CreateFromString("0af7651916cd43dd8448eb211c80319c"), ActivitySpanId.CreateFromString("b7ad6b7169203331"), ActivityTraceFlags.Recorded);

    private readonly ActivitySource source = new("Tests", "1.2");
    private readonly ActivityListener listener;

    public ZipkinSpanTests()
    {
        listener = new()
        {
            ShouldListenTo = heard => ReferenceEquals(heard, source),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
    }

    public void Dispose()
    {
        listener.Dispose();
        source.Dispose();
    }

    [Fact]
    public void Everything_that_a_span_has_is_there()
    {
        var link = new ActivityContext(
            ActivityTraceId.CreateFromString("00000000000000000000000000000abc"), ActivitySpanId.CreateFromString("0000000000000def"), ActivityTraceFlags.None);
        var span = Ended(ActivityKind.Client, TimeSpan.FromTicks(12_345), span => span
            .SetTag("text", "\"말\"").SetTag("truth", true).SetTag("number", 1.5).SetTag("list", new object[] { "a", 1, false }).SetTag("nothing", null)
            .SetTag("peer.service", "stock")
            .AddEvent(new("plain", Start))
            .AddEvent(new("rich", Start, new() { { "key", "value" }, { "n", 7 } }))
            .SetStatus(ActivityStatusCode.Error, "it broke"), Parent, new ActivityLink(link));
        var json = JsonOf(span).GetRawText();
        Assert.Equal(
            $$$"""
            {"traceId":"0af7651916cd43dd8448eb211c80319c","parentId":"b7ad6b7169203331","id":"{{{span.SpanId}}}","name":"step","kind":"CLIENT",
            "timestamp":1767323045000000,"duration":1234,"localEndpoint":{"serviceName":"orders"},"remoteEndpoint":{"serviceName":"stock"},
            "annotations":[{"timestamp":1767323045000000,"value":"plain"},{"timestamp":1767323045000000,"value":"\"rich\": {\"key\":\"value\",\"n\":\"7\"}"}],
            "tags":{"text":"\"말\"","truth":"true","number":"1.5","list":"[\"a\",1,false]","peer.service":"stock","otel.status_code":"ERROR","error":"it broke",
            "otel.scope.name":"Tests","otel.scope.version":"1.2","otel.link.0.trace_id":"00000000000000000000000000000abc","otel.link.0.span_id":"0000000000000def"}}
            """.Replace("\n", ""),
            JsonSerializer.Serialize(JsonSerializer.Deserialize<JsonElement>(json), Readable));
    }

    [Fact]
    public void What_a_span_does_not_have_is_left_out()
    {
        var span = Ended(ActivityKind.Internal, TimeSpan.Zero, _ => { });
        Assert.Equal(["traceId", "id", "name", "timestamp", "duration", "localEndpoint", "tags"], JsonOf(span).EnumerateObject().Select(member => member.Name));
        Assert.Equal(1, JsonOf(span).GetProperty("duration").GetInt64());
    }

    [Theory]
    [InlineData(ActivityKind.Client, "CLIENT")]
    [InlineData(ActivityKind.Server, "SERVER")]
    [InlineData(ActivityKind.Producer, "PRODUCER")]
    [InlineData(ActivityKind.Consumer, "CONSUMER")]
    [InlineData(ActivityKind.Internal, null)]
    public void Every_kind_has_its_name_but_the_internal_one(ActivityKind kind, string? expected)
    {
        var json = JsonOf(Ended(kind, TimeSpan.FromSeconds(1), _ => { }));
        Assert.Equal(expected, json.TryGetProperty("kind", out var said) ? said.GetString() : null);
    }

    [Theory]
    [InlineData(ActivityKind.Client, "peer.service=a;server.address=b", "a")]
    [InlineData(ActivityKind.Client, "db.name=c;server.address=b", "b")]
    [InlineData(ActivityKind.Producer, "network.peer.address=10.0.0.1;network.peer.port=5001", "10.0.0.1:5001")]
    [InlineData(ActivityKind.Producer, "network.peer.address=10.0.0.1", "10.0.0.1")]
    [InlineData(ActivityKind.Client, "other=b", null)]
    [InlineData(ActivityKind.Server, "server.address=b", null)]
    public void Who_was_called_is_told_by_the_best_of_its_names(ActivityKind kind, string tags, string? expected)
    {
        var json = JsonOf(Ended(kind, TimeSpan.FromSeconds(1), span =>
        {
            foreach (var tag in tags.Split(';')) span.SetTag(tag.Split('=')[0], tag.Split('=')[1]);
        }));
        Assert.Equal(expected, json.TryGetProperty("remoteEndpoint", out var peer) ? peer.GetProperty("serviceName").GetString() : null);
    }

    [Theory]
    [InlineData(ActivityStatusCode.Unset, null, null)]
    [InlineData(ActivityStatusCode.Ok, "OK", null)]
    [InlineData(ActivityStatusCode.Error, "ERROR", "")]
    public void The_status_alone_says_whether_it_is_an_error(ActivityStatusCode status, string? code, string? error)
    {
        var tags = JsonOf(Ended(ActivityKind.Internal, TimeSpan.Zero, span => span.SetTag("error", false).SetStatus(status))).GetProperty("tags");
        Assert.Equal(code, tags.TryGetProperty("otel.status_code", out var said) ? said.GetString() : null);
        Assert.Equal(error, tags.TryGetProperty("error", out var why) ? why.GetString() : null);
    }

    [Theory]
    [InlineData("""[{"id":"00000000000000ab"}]""", "traceId is missing")]
    [InlineData("""[{"traceId":"0AF7651916CD43DD8448EB211C80319C","id":"00000000000000ab"}]""", "traceId: \"0AF7651916CD43DD8448EB211C80319C\"")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"0000000000000000"}]""", "id: \"0000000000000000\"")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"00000000000000ab","kind":"INTERNAL"}]""", "kind: \"INTERNAL\"")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"00000000000000ab","timestamp":1.5}]""", "timestamp: 1.5")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"00000000000000ab","duration":0}]""", "duration: 0")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"00000000000000ab","tags":{"n":1}}]""", "tags: {\"n\":1}")]
    [InlineData("""[{"traceId":"0af7651916cd43dd","id":"00000000000000ab","links":[]}]""", "links: []")]
    [InlineData("""{}""", "not a list")]
    public void The_schema_of_these_tests_does_refuse(string spans, string problem) =>
        Assert.Equal([problem], ZipkinSchema.ProblemsOf(JsonSerializer.Deserialize<JsonElement>(spans)));

    private static readonly JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private Activity Ended(ActivityKind kind, TimeSpan duration, Action<Activity> fill, ActivityContext parent = default, params ActivityLink[] links)
    {
        var span = source.CreateActivity("step", kind, parent, links: links)!.SetStartTime(Start).Start();
        fill(span);
        // Zero is told from unset by a tick.
        span.SetEndTime(Start + (duration > TimeSpan.Zero ? duration : TimeSpan.FromTicks(1)));
        span.Stop();
        return span;
    }

    /// <summary>Also a check against the schema.</summary>
    private static JsonElement JsonOf(Activity span)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartArray();
            ZipkinSpan.Write(writer, span, "orders");
            writer.WriteEndArray();
        }
        var spans = JsonSerializer.Deserialize<JsonElement>(Encoding.UTF8.GetString(bytes.ToArray()));
        Assert.Empty(ZipkinSchema.ProblemsOf(spans));
        return spans[0];
    }
}
