using System.Text;
using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.Json;
using Daprd.State;
using Google.Protobuf;
using Grpc.Core;
using static Dapr.Client.Autogen.Grpc.v1.StateOptions.Types;

namespace Daprd.Api;

/// <summary>State items as the HTTP API spells them.</summary>
internal static class HttpState
{
    public static StateItem Item(string key, string etag, string concurrency, string consistency) => new()
    {
        Key = key,
        Etag = etag.Length > 0 ? new Etag { Value = etag } : null,
        Options = new StateOptions
        {
            Concurrency = concurrency switch
            {
                "" => StateConcurrency.ConcurrencyUnspecified,
                "first-write" => StateConcurrency.ConcurrencyFirstWrite,
                "last-write" => StateConcurrency.ConcurrencyLastWrite,
                _ => throw Unrecognised("concurrency", concurrency),
            },
            Consistency = consistency switch
            {
                "" => StateConsistency.ConsistencyUnspecified,
                "eventual" => StateConsistency.ConsistencyEventual,
                "strong" => StateConsistency.ConsistencyStrong,
                _ => throw Unrecognised("consistency", consistency),
            },
        },
    };

    /// <summary>The value is decoded and encoded again, as everything that comes over HTTP.</summary>
    public static StateItem ReadItem(JsonElement element, IReadOnlyDictionary<string, string> metadata)
    {
        var options = element.TryMember("options", out var given) ? given : default;
        var item = Item(Text(element, "key"), Text(element, "etag"), Text(options, "concurrency"), Text(options, "consistency"));
        if (element.TryMember("value", out var value))
        {
            item.Value = UnsafeByteOperations.UnsafeWrap(StateApi.Reencode(Encoding.UTF8.GetBytes(value.GetRawText())));
        }

        foreach (var (name, text) in metadata) item.Metadata[name] = text;
        if (element.TryMember("metadata", out var own) && own.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in own.EnumerateObject()) item.Metadata[member.Name] = member.Value.ToString();
        }

        return item;
    }

    public static TransactionalStateOperation ReadOperation(JsonElement element, IReadOnlyDictionary<string, string> metadata) => new()
    {
        OperationType = Text(element, "operation"),
        Request = ReadItem(element.TryMember("request", out var request) ? request : default, metadata),
    };

    public static bool IsJson(BulkStateItem item)
    {
        if (item.Data.Length == 0) return true;
        try
        {
            using var _ = JsonDocument.Parse(item.Data.Memory);
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public static void WriteItems(Utf8JsonWriter writer, IEnumerable<BulkStateItem> items)
    {
        writer.WriteStartArray();
        foreach (var item in items)
        {
            writer.WriteStartObject();
            writer.WriteString("key", item.Key);
            if (item.Data.Length > 0)
            {
                writer.WritePropertyName("data");
                writer.WriteRawValue(item.Data.Span, skipInputValidation: false);
            }

            if (item.Etag.Length > 0) writer.WriteString("etag", item.Etag);
            if (item.Error.Length > 0) writer.WriteString("error", item.Error);
            if (item.Metadata.Count > 0)
            {
                writer.WriteStartObject("metadata");
                foreach (var (name, value) in item.Metadata) writer.WriteString(name, value);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static string Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryMember(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString()! : "";

    private static ApiException Unrecognised(string option, string text) =>
        new(StatusCode.InvalidArgument, 400, "ERR_MALFORMED_REQUEST", $"unrecognized {option} type '{text}'");
}
