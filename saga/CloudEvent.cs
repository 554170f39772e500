using System.Text.Json;

namespace Saga;

/// <summary>An event in the envelope in which Dapr stores it.</summary>
/// <param name="Said">When. Null: the envelope does not say.</param>
/// <param name="TraceId">32 hex digits. Null: none.</param>
/// <remarks>https://github.com/cloudevents/spec, JSON format, version 1.0.</remarks>
internal sealed record CloudEvent(string Id, string Topic, byte[] Data, DateTimeOffset? Said, string? TraceId)
{
    /// <summary>Null: these bytes are no CloudEvent.</summary>
    public static CloudEvent? Parse(byte[] bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            var envelope = json.RootElement;
            if (TextOf(envelope, "id") is not { } id || TextOf(envelope, "topic") is not { } topic || DataOf(envelope) is not { } data) return null;
            var said = DateTimeOffset.TryParse(TextOf(envelope, "time"), null, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : default(DateTimeOffset?);
            return new(id, topic, data, said, TextOf(envelope, "traceparent")?.Split('-') is [_, { Length: 32 } trace, ..] ? trace : null);
        }
        catch (Exception other) when (other is JsonException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? TextOf(JsonElement envelope, string name) =>
        envelope.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? DataOf(JsonElement envelope)
    {
        if (envelope.TryGetProperty("data_base64", out var binary)) return binary.GetBytesFromBase64();
        if (!envelope.TryGetProperty("data", out var data)) return null;
        return System.Text.Encoding.UTF8.GetBytes(data.ValueKind == JsonValueKind.String ? data.GetString()! : data.GetRawText());
    }
}
