using System.Buffers;
using System.Text.Json;

namespace Daprd.Json;

/// <summary>How decoded values are re-encoded.</summary>
internal enum JsonForm
{
    /// <summary>Members sorted ordinally by name, numbers unchanged.</summary>
    AsWritten,

    /// <summary>Members sorted ordinally by name, numbers converted to float64.</summary>
    Float64,
}

/// <summary>JSON as Go's encoder writes it: compact, with HTML characters escaped.</summary>
internal static class GoJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = GoEncoder.Instance, SkipValidation = true };
    private static readonly SearchValues<byte> HtmlCharacters = SearchValues.Create("<>&"u8);

    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? spare;

    /// <summary>The output of <paramref name="write"/> in Go's format.</summary>
    public static byte[] Bytes<T>(T value, Action<Utf8JsonWriter, T> write)
    {
        var (buffer, writer) = spare ?? NewSpare();
        spare = null;
        write(writer, value);
        writer.Flush();
        var bytes = EscapeHtml(buffer.WrittenSpan);
        buffer.ResetWrittenCount();
        writer.Reset();
        spare = (buffer, writer);
        return bytes;
    }

    /// <summary>Finds a member as Go's decoder does: by its exact name or else ignoring case.</summary>
    public static bool TryMember(this JsonElement element, string name, out JsonElement member)
    {
        if (element.TryGetProperty(name, out member)) return true;
        foreach (var other in element.EnumerateObject())
        {
            if (!other.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            member = other.Value;
            return true;
        }

        return false;
    }

    /// <summary>The last of several members with the same name wins.</summary>
    public static void Write(Utf8JsonWriter writer, JsonElement element, JsonForm form)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                if (IsSorted(element))
                {
                    foreach (var member in element.EnumerateObject())
                    {
                        writer.WritePropertyName(member.Name);
                        Write(writer, member.Value, form);
                    }
                }
                else
                {
                    foreach (var (name, member) in Ordered(element))
                    {
                        writer.WritePropertyName(name);
                        Write(writer, member, form);
                    }
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray()) Write(writer, item, form);
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(Number(element.GetRawText(), form), skipInputValidation: true);
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }

    private static bool IsSorted(JsonElement element)
    {
        string? before = null;
        foreach (var member in element.EnumerateObject())
        {
            if (before is not null && string.CompareOrdinal(before, member.Name) >= 0) return false;
            before = member.Name;
        }

        return true;
    }

    private static KeyValuePair<string, JsonElement>[] Ordered(JsonElement element)
    {
        var last = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in element.EnumerateObject()) last[member.Name] = member.Value;
        KeyValuePair<string, JsonElement>[] members = [.. last];
        Array.Sort(members, (one, other) => string.CompareOrdinal(one.Key, other.Key));
        return members;
    }

    private static string Number(string text, JsonForm form) => form switch
    {
        JsonForm.AsWritten => text,
        JsonForm.Float64 => GoNumber.OfFloat64(text),
    };

    // In JSON these characters occur only inside strings, so they can be replaced without parsing.
    private static byte[] EscapeHtml(ReadOnlySpan<byte> json)
    {
        if (json.IndexOfAny(HtmlCharacters) < 0) return json.ToArray();
        var escaped = new ArrayBufferWriter<byte>(json.Length + 64);
        while (json.IndexOfAny(HtmlCharacters) is var next and >= 0)
        {
            escaped.Write(json[..next]);
            escaped.Write(json[next] switch { (byte)'<' => "\\u003c"u8, (byte)'>' => "\\u003e"u8, _ => "\\u0026"u8 });
            json = json[(next + 1)..];
        }

        escaped.Write(json);
        return escaped.WrittenSpan.ToArray();
    }

    private static (ArrayBufferWriter<byte>, Utf8JsonWriter) NewSpare()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        return (buffer, new Utf8JsonWriter(buffer, Options));
    }
}
