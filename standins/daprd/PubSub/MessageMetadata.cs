using System.Text.Json;
using Daprd.Json;

namespace Daprd.PubSub;

/// <summary>The metadata of a message as stored in a stream: a JSON object of strings.</summary>
internal static class MessageMetadata
{
    public static byte[] ToJson(IReadOnlyDictionary<string, string> metadata) => GoJson.Bytes(metadata, static (writer, entries) =>
    {
        writer.WriteStartObject();
        foreach (var (name, value) in entries.OrderBy(e => e.Key, StringComparer.Ordinal)) writer.WriteString(name, value);
        writer.WriteEndObject();
    });

    public static IReadOnlyDictionary<string, string> FromJson(byte[] json) => JsonSerializer.Deserialize<Dictionary<string, string>>(json) ?? [];
}
