using System.Text;
using System.Text.Json;
using Daprd.Json;
using Daprd.PubSub;
using Daprd.Tracing;

namespace Daprd.Api;

/// <summary>The JSON of the HTTP API's bulk publish: entries and failures.</summary>
internal static class HttpBulk
{
    public static (string EntryId, PublishRequest Event) ReadEntry(
        JsonElement entry, string pubsub, string topic, IDictionary<string, string> request, bool raw, TraceContext trace)
    {
        var contentType = entry.TryMember("contentType", out var type) ? type.GetString() ?? "" : "";
        var own = entry.TryMember("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object
            ? metadata.EnumerateObject().ToDictionary(m => m.Name, m => m.Value.ToString())
            : null;
        var data = Data(entry.TryMember("event", out var given) ? given : default, contentType);
        return (
            entry.TryMember("entryId", out var id) ? id.GetString() ?? "" : "",
            new PublishRequest(pubsub, topic, data, contentType, BulkMetadata.OfEntry(own, request), trace) { IsRaw = raw });
    }

    public static void WriteFailures(Utf8JsonWriter writer, IReadOnlyDictionary<string, ApiException> failures)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("failedEntries");
        foreach (var (entry, failure) in failures)
        {
            writer.WriteStartObject();
            writer.WriteString("entryId", entry);
            writer.WriteString("error", failure.Message);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteString("errorCode", "ERR_PUBSUB_PUBLISH_MESSAGE");
        writer.WriteEndObject();
    }

    private static byte[] Data(JsonElement data, string contentType) => Envelope.MediaType(contentType) switch
    {
        "application/json" or "application/cloudevents+json" => GoJson.Bytes(data, static (writer, value) => GoJson.Write(writer, value, JsonForm.Float64)),
        "application/octet-stream" => data.GetBytesFromBase64(),
        _ => Encoding.UTF8.GetBytes(data.GetString() ?? ""),
    };
}
