using System.Buffers;
using System.Text.Json;

namespace Daprd.Json;

internal enum NumberForm
{
    /// <summary>As the text has it.</summary>
    AsWritten,
    Float64,
    SixDecimals,
}

/// <summary>JSON as Go's encoder writes a decoded value: compact, member names sorted by their bytes, characters that matter to HTML escaped.</summary>
internal static class GoJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = GoEncoder.Instance, SkipValidation = true };
    private static readonly SearchValues<byte> HtmlCharacters = SearchValues.Create("<>&"u8);

    [ThreadStatic]
    private static (ArrayBufferWriter<byte> Buffer, Utf8JsonWriter Writer)? _spare;

    /// <summary>What <paramref name="write"/> writes, in Go's form.</summary>
    public static byte[] Bytes<T>(T value, Action<Utf8JsonWriter, T> write, bool escapeHtml = true)
    {
        var (buffer, writer) = _spare ?? NewSpare();
        _spare = null;
        write(writer, value);
        writer.Flush();
        var bytes = escapeHtml ? EscapeHtml(buffer.WrittenSpan) : buffer.WrittenSpan.ToArray();
        buffer.ResetWrittenCount();
        writer.Reset();
        _spare = (buffer, writer);
        return bytes;
    }

    /// <summary>A member of an object as Go's decoder finds it: by its name or, when nobody has that, by a name that differs in case only.</summary>
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

    /// <summary>Members in order of their names, also in nested objects. Of equal names the last one counts.</summary>
    public static void WriteSorted(Utf8JsonWriter writer, JsonElement element, NumberForm numbers)
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
                        WriteSorted(writer, member.Value, numbers);
                    }
                }
                else
                {
                    foreach (var (name, member) in Sorted(element))
                    {
                        writer.WritePropertyName(name);
                        WriteSorted(writer, member, numbers);
                    }
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray()) WriteSorted(writer, item, numbers);
                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(Number(element.GetRawText(), numbers), skipInputValidation: true);
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

    private static SortedDictionary<string, JsonElement> Sorted(JsonElement element)
    {
        var members = new SortedDictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var member in element.EnumerateObject()) members[member.Name] = member.Value;
        return members;
    }

    private static string Number(string text, NumberForm form) => form switch
    {
        NumberForm.AsWritten => text,
        NumberForm.Float64 => GoNumber.OfFloat64(text),
        NumberForm.SixDecimals => GoNumber.OfSixDecimals(text),
    };

    // In JSON these three can stand only inside strings, so replacing them needs no parser.
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
