using System.Globalization;
using System.Text;
using System.Text.Json;
using Daprd.Files;
using Daprd.Json;
using Daprd.Tracing;

namespace Daprd.PubSub;

/// <summary>One event to publish.</summary>
/// <param name="ContentType">As sent by the app; empty means text/plain.</param>
/// <param name="Metadata">The sidecar reads names case-insensitively. Null: no metadata; empty metadata is still stored with the message.</param>
internal sealed record PublishRequest(
    string PubSubName, string Topic, ReadOnlyMemory<byte> Data, string ContentType, IReadOnlyDictionary<string, string>? Metadata, TraceContext Trace)
{
    /// <summary>Whether the data is published without an envelope.</summary>
    public bool IsRaw { get; init; }

    public string? Find(string name) => Find(Metadata, name);

    public static string? Find(IReadOnlyDictionary<string, string>? metadata, string name)
    {
        if (metadata is null) return null;
        foreach (var (key, value) in metadata)
        {
            if (key.Equals(name, StringComparison.OrdinalIgnoreCase)) return value;
        }

        return null;
    }

    /// <summary>
    /// Null: no expiry. An invalid value and a negative number of seconds count as null; zero and a negative duration expire at once.
    /// </summary>
    public TimeSpan? TimeToLive()
    {
        var text = Find("ttlInSeconds") ?? Find("ttl");
        if (text is null) return null;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds))
        {
            return seconds < 0 ? null : TimeSpan.FromSeconds(seconds);
        }
        return !GoDuration.TryParse(text, out var duration) ? null : duration > TimeSpan.Zero ? duration : TimeSpan.Zero;
    }
}

/// <summary>Wraps published data in a CloudEvent: one JSON object with members sorted by name.</summary>
internal static class Envelope
{
    private const string DefaultType = "com.dapr.event.sent";
    private static readonly JsonDocumentOptions Lenient = new() { MaxDepth = 1000 };

    /// <summary>Throws <see cref="JsonException"/> if the content type says CloudEvent and the data is not one.</summary>
    public static byte[] Wrap(PublishRequest request, string appId, DateTimeOffset now) =>
        MediaType(request.ContentType) == "application/cloudevents+json" ? Complete(request, now) : Make(request, appId, now);

    /// <summary>The envelope for a payload that was published raw.</summary>
    public static byte[] WrapRaw(Message message, string pubSubName) => GoJson.Bytes((message, pubSubName), static (writer, raw) =>
    {
        var metadata = raw.message.Metadata;
        var traceParent = metadata?.GetValueOrDefault("traceparent") ?? metadata?.GetValueOrDefault("traceid") ?? "";
        writer.WriteStartObject();
        writer.WriteBase64String("data_base64", raw.message.Data.Span);
        writer.WriteString("datacontenttype", "application/octet-stream");
        writer.WriteString("id", Guid.NewGuid().ToString());
        writer.WriteString("pubsubname", raw.pubSubName);
        writer.WriteString("source", "Dapr");
        writer.WriteString("specversion", "1.0");
        writer.WriteString("topic", raw.message.Topic);
        writer.WriteString("traceid", traceParent);
        writer.WriteString("traceparent", traceParent);
        writer.WriteString("tracestate", metadata?.GetValueOrDefault("tracestate") ?? "");
        writer.WriteString("type", DefaultType);
        writer.WriteEndObject();
    });

    /// <summary>In lower case, without parameters.</summary>
    public static string MediaType(string contentType)
    {
        var end = contentType.IndexOf(';');
        return (end < 0 ? contentType : contentType[..end]).ToLowerInvariant();
    }

    private static byte[] Make(PublishRequest request, string appId, DateTimeOffset now) => GoJson.Bytes((request, appId, now), static (writer, source) =>
    {
        var (request, appId, now) = source;
        var contentType = request.ContentType.Length > 0 ? request.ContentType : "text/plain";
        var trace = request.Find("cloudevent.traceparent") ?? request.Find("cloudevent.traceid") ?? request.Trace.Parent;
        writer.WriteStartObject();
        WriteData(writer, MediaType(contentType), request.Data);
        writer.WriteString("datacontenttype", contentType);
        if (request.TimeToLive() is { } lifetime) writer.WriteString("expiration", Rfc3339(now.ToUniversalTime() + lifetime));
        writer.WriteString("id", request.Find("cloudevent.id") ?? Guid.NewGuid().ToString());
        writer.WriteString("pubsubname", request.PubSubName);
        writer.WriteString("source", request.Find("cloudevent.source") ?? appId);
        writer.WriteString("specversion", "1.0");
        if (request.Find("cloudevent.subject") is { } subject) writer.WriteString("subject", subject);
        writer.WriteString("time", Rfc3339(now));
        writer.WriteString("topic", request.Topic);
        writer.WriteString("traceid", trace);
        writer.WriteString("traceparent", trace);
        writer.WriteString("tracestate", request.Find("cloudevent.tracestate") ?? request.Trace.State);
        writer.WriteString("type", request.Find("cloudevent.type") ?? DefaultType);
        writer.WriteEndObject();
    });

    private static void WriteData(Utf8JsonWriter writer, string mediaType, ReadOnlyMemory<byte> data)
    {
        switch (mediaType)
        {
            case "application/json" when TryFirstValue(data.Span) is { } first:
                using (first)
                {
                    writer.WritePropertyName("data");
                    GoJson.Write(writer, first.RootElement, JsonForm.AsWritten);
                }

                break;
            case "application/octet-stream" or "application/cloudevents+protobuf":
                writer.WriteBase64String("data_base64", data.Span);
                break;
            default:
                writer.WriteString("data", Encoding.UTF8.GetString(data.Span));
                break;
        }
    }

    /// <summary>Parses the first JSON value and ignores the rest.</summary>
    private static JsonDocument? TryFirstValue(ReadOnlySpan<byte> data)
    {
        try
        {
            var reader = new Utf8JsonReader(data, new JsonReaderOptions { MaxDepth = 1000, AllowMultipleValues = true });
            return JsonDocument.TryParseValue(ref reader, out var document) ? document : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static byte[] Complete(PublishRequest request, DateTimeOffset now)
    {
        using var document = JsonDocument.Parse(request.Data, Lenient);
        if (document.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("a CloudEvent is a JSON object");
        var members = new SortedDictionary<string, Action<Utf8JsonWriter>>(StringComparer.Ordinal);
        foreach (var member in document.RootElement.EnumerateObject())
        {
            members[member.Name] = writer => GoJson.Write(writer, member.Value, JsonForm.AsWritten);
        }

        Text("topic", request.Topic);
        Text("pubsubname", request.PubSubName);
        if (!members.ContainsKey("traceid"))
        {
            Text("traceid", request.Trace.Parent);
            Text("traceparent", request.Trace.Parent);
        }

        TextIfAbsent("tracestate", request.Trace.State);
        TextIfAbsent("time", Rfc3339(now));
        TextIfAbsent("source", "Dapr");
        TextIfAbsent("type", DefaultType);
        TextIfAbsent("specversion", "1.0");
        if (request.TimeToLive() is { } lifetime) Text("expiration", Rfc3339(now.ToUniversalTime() + lifetime));
        return GoJson.Bytes(members, static (writer, all) =>
        {
            writer.WriteStartObject();
            foreach (var (name, write) in all)
            {
                writer.WritePropertyName(name);
                write(writer);
            }

            writer.WriteEndObject();
        });

        void Text(string name, string value) => members[name] = writer => writer.WriteStringValue(value);

        void TextIfAbsent(string name, string value)
        {
            if (!members.ContainsKey(name)) Text(name, value);
        }
    }

    private static string Rfc3339(DateTimeOffset time) =>
        time.ToString(time.Offset == TimeSpan.Zero ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture);
}
