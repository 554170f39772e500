using System.Text.Json;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Value = Google.Protobuf.WellKnownTypes.Value;

namespace Daprd.PubSub;

/// <summary>An event as the app gets it: one read from an envelope, or a new one around a raw payload.</summary>
internal sealed record CloudEvent(
    string Id, string Source, string Type, string SpecVersion, string DataContentType, ByteString Data, Struct Extensions)
{
    private static readonly HashSet<string> Attributes = ["id", "source", "datacontenttype", "type", "specversion", "data", "data_base64"];

    /// <summary>Empty when there is no trace.</summary>
    public string TraceParent => Extensions.Fields.TryGetValue("traceparent", out var parent) ? parent.StringValue : "";

    /// <summary>Throws <see cref="JsonException"/> or <see cref="FormatException"/> if the bytes are not a CloudEvent, or its data do not match their type.</summary>
    public static CloudEvent Parse(ReadOnlyMemory<byte> bytes)
    {
        using var document = EventJson.ParseObject(bytes);
        var root = document.RootElement;
        var extensions = new Struct();
        foreach (var member in root.EnumerateObject())
        {
            if (!Attributes.Contains(member.Name)) extensions.Fields[member.Name] = ToValue(member.Value);
        }

        return new CloudEvent(Text("id"), Text("source"), Text("type"), Text("specversion"), Text("datacontenttype"), Data(), extensions);

        string Text(string name) => root.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString()! : "";

        ByteString Data()
        {
            if (root.TryGetProperty("data_base64", out var encoded)) return UnsafeByteOperations.UnsafeWrap(encoded.GetBytesFromBase64());
            if (!root.TryGetProperty("data", out var data)) return ByteString.Empty;
            var type = PublishRequest.MediaType(Text("datacontenttype"));
            if (type == "application/json") return UnsafeByteOperations.UnsafeWrap(EventJson.Reencode(data));
            // As in daprd, events with other content types reach a gRPC app without data.
            if (type != "application/xml" && !type.StartsWith("text/", StringComparison.Ordinal)) return ByteString.Empty;
            return data.ValueKind == JsonValueKind.String
                ? ByteString.CopyFromUtf8(data.GetString()!)
                : throw new FormatException("the data of a text event is not a string");
        }
    }

    public static CloudEvent FromRaw(Message message, string pubSubName) => new(
        Guid.NewGuid().ToString(), "Dapr", "com.dapr.event.sent", "1.0", "application/octet-stream", UnsafeByteOperations.UnsafeWrap(message.Data),
        new Struct { Fields = { ["topic"] = Value.ForString(message.Topic), ["pubsubname"] = Value.ForString(pubSubName) } });

    public TopicEventRequest ForApp(Subscription subscription) => new()
    {
        Id = Id, Source = Source, Type = Type, SpecVersion = SpecVersion, DataContentType = DataContentType, Data = Data, Extensions = Extensions,
        Topic = subscription.Topic, PubsubName = subscription.PubSubName, Path = subscription.Path,
    };

    public TopicEventCERequest ForBatch() => new()
    {
        Id = Id, Source = Source, Type = Type, SpecVersion = SpecVersion, DataContentType = DataContentType, Data = Data, Extensions = Extensions,
    };

    private static Value ToValue(JsonElement element) => element.ValueKind == JsonValueKind.String
        ? Value.ForString(element.GetString()!)
        : Value.Parser.ParseJson(element.GetRawText());
}
