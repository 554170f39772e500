using System.Buffers;
using System.Globalization;
using System.Net.Mime;
using System.Text;
using System.Text.Json;
using Daprd.Tracing;

namespace Daprd.PubSub;

/// <summary>One event to publish.</summary>
/// <param name="ContentType">As sent by the app; empty means text/plain.</param>
/// <param name="Metadata">Names are case-insensitive.</param>
internal sealed record PublishRequest(
    string PubSubName, string Topic, ReadOnlyMemory<byte> Data, string ContentType, IEnumerable<KeyValuePair<string, string>> Metadata, TraceContext Trace)
{
    /// <summary>False for what daprd would neither wrap nor store as it is.</summary>
    public bool IsSupported => MediaType(ContentType) is not ("application/cloudevents+json" or "application/cloudevents+protobuf" or "application/x-protobuf")
        && Find("rawPayload") is null or "false" && Find("ttlInSeconds") is null && Find("ttl") is null;

    /// <summary>In lower case, without parameters.</summary>
    public static string MediaType(string contentType) => contentType.Split(';')[0].ToLowerInvariant();

    /// <summary>The CloudEvent of the data, as JSON.</summary>
    public ReadOnlyMemory<byte> Wrap(string appId, DateTimeOffset now)
    {
        var contentType = ContentType.Length > 0 ? ContentType : MediaTypeNames.Text.Plain;
        var trace = Find("cloudevent.traceparent") ?? Trace.Parent;
        var buffer = new ArrayBufferWriter<byte>(Data.Length + 512);
        using var writer = new Utf8JsonWriter(buffer, EventJson.Options);
        writer.WriteStartObject();
        writer.WriteString("id", Find("cloudevent.id") ?? Guid.NewGuid().ToString());
        writer.WriteString("source", appId);
        writer.WriteString("type", Find("cloudevent.type") ?? "com.dapr.event.sent");
        writer.WriteString("specversion", "1.0");
        writer.WriteString("datacontenttype", contentType);
        writer.WriteString("pubsubname", PubSubName);
        writer.WriteString("topic", Topic);
        writer.WriteString("time", now.ToString(now.Offset == TimeSpan.Zero ? "yyyy-MM-dd'T'HH:mm:ss'Z'" : "yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture));
        writer.WriteString("traceid", trace);
        writer.WriteString("traceparent", trace);
        writer.WriteString("tracestate", Trace.State);
        WriteData(writer, MediaType(contentType));
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenMemory;
    }

    private string? Find(string name)
    {
        foreach (var (key, value) in Metadata)
        {
            if (key.Equals(name, StringComparison.OrdinalIgnoreCase)) return value;
        }

        return null;
    }

    private void WriteData(Utf8JsonWriter writer, string mediaType)
    {
        if (mediaType == MediaTypeNames.Application.Octet)
        {
            writer.WriteBase64String("data_base64", Data.Span);
            return;
        }

        writer.WritePropertyName("data");
        if (mediaType == MediaTypeNames.Application.Json && EventJson.IsValid(Data.Span)) writer.WriteRawValue(Data.Span, skipInputValidation: true);
        else writer.WriteStringValue(Encoding.UTF8.GetString(Data.Span));
    }
}
