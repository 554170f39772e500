using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Daprd.PubSub;

/// <summary>The JSON of events.</summary>
internal static class EventJson
{
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private const int DepthMax = 1000;

    /// <summary>Throws <see cref="JsonException"/> if the bytes are not a JSON object.</summary>
    public static JsonDocument ParseObject(ReadOnlyMemory<byte> bytes)
    {
        var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = DepthMax });
        if (document.RootElement.ValueKind == JsonValueKind.Object) return document;
        document.Dispose();
        throw new JsonException("the message is not a JSON object");
    }

    public static bool IsValid(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DepthMax });
            while (reader.Read()) ;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Encodes the value anew, with every number as a float64: so daprd delivers it.</summary>
    public static ReadOnlyMemory<byte> Reencode(JsonElement element)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var writer = new Utf8JsonWriter(buffer, Options);
        Write(writer, element);
        writer.Flush();
        return buffer.WrittenMemory;
    }

    private static void Write(Utf8JsonWriter writer, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in element.EnumerateObject())
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray()) Write(writer, item);
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                var number = element.GetDouble();
                // Go writes whole numbers without an exponent up to 1e21.
                var isLong = Math.Abs(number) is >= 1e15 and < 1e21;
                writer.WriteRawValue(number.ToString(isLong ? "F0" : "R", CultureInfo.InvariantCulture), skipInputValidation: true);
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }
}
