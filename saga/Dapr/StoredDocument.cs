using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Saga.Dapr;

/// <summary>A document as the store has it: JSON.</summary>
internal static class StoredDocument
{
    /// <summary>Reads a document, whole or not at all.</summary>
    /// <exception cref="CorruptDocumentException">The bytes are not a <typeparamref name="T"/>, or break its invariants.</exception>
    public static T Parse<T>(string key, ReadOnlySpan<byte> data, JsonSerializerOptions json) where T : class
    {
        T document;
        try
        {
            document = JsonSerializer.Deserialize(data, (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T))) ?? throw new JsonException("it is null.");
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException)
        {
            throw new CorruptDocumentException($"{key} is corrupt, no {typeof(T).Name}: {unreadable.Message}");
        }
        return (document as IHasInvariants)?.FindProblem(key) is { } problem
            ? throw new CorruptDocumentException($"{key} is corrupt: {problem}.")
            : document;
    }
}
