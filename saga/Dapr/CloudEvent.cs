using System.Text.Json;

namespace Saga.Dapr;

/// <summary>The CloudEvents envelope in which Dapr stores an event.</summary>
/// <param name="PublishedAt">Null: the envelope has no time.</param>
/// <param name="TraceId">32 hex digits. Null: it was not traced.</param>
/// <remarks>https://github.com/cloudevents/spec, JSON format, version 1.0.</remarks>
internal sealed record CloudEvent(string Id, string Topic, byte[] Data, DateTimeOffset? PublishedAt, string? TraceId)
{
    /// <returns>Null: the bytes are not a CloudEvent.</returns>
    public static CloudEvent? Parse(byte[] bytes)
    {
        try
        {
            using var json = JsonDocument.Parse(bytes);
            var envelope = json.RootElement;
            if (GetText(envelope, "id") is not { } id || GetText(envelope, "topic") is not { } topic || GetData(envelope) is not { } data) return null;
            var publishedAt = DateTimeOffset.TryParse(GetText(envelope, "time"), null, System.Globalization.DateTimeStyles.AssumeUniversal, out var time)
                ? time : default(DateTimeOffset?);
            return new(id, topic, data, publishedAt,
                GetText(envelope, "traceparent")?.Split('-') is [_, { Length: 32 } trace, ..] && trace.All(char.IsAsciiHexDigitLower) ? trace : null);
        }
        catch (Exception other) when (other is JsonException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? GetText(JsonElement envelope, string name) =>
        envelope.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? GetData(JsonElement envelope)
    {
        if (envelope.TryGetProperty("data_base64", out var binary)) return binary.GetBytesFromBase64();
        if (!envelope.TryGetProperty("data", out var data)) return null;
        return System.Text.Encoding.UTF8.GetBytes(data.ValueKind == JsonValueKind.String ? data.GetString()! : data.GetRawText());
    }
}
