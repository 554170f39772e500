using System.Globalization;
using System.Text.Json;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Daprd.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Value = Google.Protobuf.WellKnownTypes.Value;

namespace Daprd.PubSub;

/// <summary>An envelope read from a broker.</summary>
internal sealed class CloudEvent : IDisposable
{
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 1000 };
    private static readonly HashSet<string> Attributes = ["id", "source", "datacontenttype", "type", "specversion", "data", "data_base64"];

    private readonly JsonDocument document;

    private CloudEvent(JsonDocument document) => this.document = document;

    /// <summary>Throws <see cref="JsonException"/> if the bytes are not a JSON object.</summary>
    public static CloudEvent Parse(ReadOnlyMemory<byte> bytes)
    {
        var document = JsonDocument.Parse(bytes, Deep);
        if (document.RootElement.ValueKind == JsonValueKind.Object) return new CloudEvent(document);
        document.Dispose();
        throw new JsonException("the message is not a JSON object");
    }

    /// <summary>Empty when there is no trace.</summary>
    public string TraceParent => Text("traceparent") is { Length: > 0 } parent ? parent : Text("traceid");

    public bool HasExpired(DateTimeOffset now) =>
        DateTimeOffset.TryParse(Text("expiration"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var expiration) && now > expiration;

    /// <summary>Throws <see cref="FormatException"/> if the data does not match its content type.</summary>
    public TopicEventRequest ForApp(string topic, string pubSubName, string path) => new()
    {
        Id = Text("id"),
        Source = Text("source"),
        Type = Text("type"),
        SpecVersion = Text("specversion"),
        DataContentType = Text("datacontenttype"),
        Topic = topic,
        PubsubName = pubSubName,
        Path = path,
        Data = Binary() ?? Data(),
        Extensions = Extensions(),
    };

    /// <summary>For an entry of a batch, where daprd ignores binary data. Throws like <see cref="ForApp"/>.</summary>
    public TopicEventCERequest ForBatch() => new()
    {
        Id = Text("id"),
        Source = Text("source"),
        Type = Text("type"),
        SpecVersion = Text("specversion"),
        DataContentType = Text("datacontenttype"),
        Data = Data(),
        Extensions = Extensions(),
    };

    public void Dispose() => document.Dispose();

    private string Text(string name) =>
        document.RootElement.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString()! : "";

    private Struct Extensions()
    {
        var extensions = new Struct();
        foreach (var member in document.RootElement.EnumerateObject())
        {
            if (!Attributes.Contains(member.Name)) extensions.Fields[member.Name] = ToValue(member.Value);
        }

        return extensions;
    }

    private ByteString? Binary() =>
        document.RootElement.TryGetProperty("data_base64", out var encoded) && encoded.ValueKind == JsonValueKind.String
            ? UnsafeByteOperations.UnsafeWrap(encoded.GetBytesFromBase64())
            : null;

    // As in daprd, events with other content types reach a gRPC app without data.
    private ByteString Data()
    {
        if (!document.RootElement.TryGetProperty("data", out var data)) return ByteString.Empty;
        return Envelope.MediaType(Text("datacontenttype")) switch
        {
            "application/json" or "application/cloudevents+json" => UnsafeByteOperations.UnsafeWrap(
                GoJson.Bytes(data, static (writer, value) => GoJson.Write(writer, value, JsonForm.Float64))),
            "application/xml" => TextData(data),
            var other when other.StartsWith("text/", StringComparison.Ordinal) => TextData(data),
            _ => ByteString.Empty,
        };
    }

    private static ByteString TextData(JsonElement data) => data.ValueKind == JsonValueKind.String
        ? ByteString.CopyFromUtf8(data.GetString()!)
        : throw new FormatException("the data of a text event is not a string");

    private static Value ToValue(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => Value.ForString(element.GetString()!),
        JsonValueKind.Number => Value.ForNumber(element.GetDouble()),
        JsonValueKind.True => Value.ForBool(true),
        JsonValueKind.False => Value.ForBool(false),
        JsonValueKind.Array => Value.ForList([.. element.EnumerateArray().Select(ToValue)]),
        JsonValueKind.Object => Value.ForStruct(ToStruct(element)),
        _ => Value.ForNull(),
    };

    private static Struct ToStruct(JsonElement element)
    {
        var made = new Struct();
        foreach (var member in element.EnumerateObject()) made.Fields[member.Name] = ToValue(member.Value);
        return made;
    }
}
