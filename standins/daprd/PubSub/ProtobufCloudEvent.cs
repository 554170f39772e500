using System.Text.Unicode;
using Daprd.PubSub.Protobuf;
using Google.Protobuf;
using Kind = Daprd.PubSub.Protobuf.AttributeValue.AttrOneofCase;

namespace Daprd.PubSub;

/// <summary>Whether bytes are a CloudEvent in protobuf, as the CloudEvents SDK for Go reads them. Much is that was never meant to be one: no bytes at all, or any message whose first fields are text.</summary>
internal static class ProtobufCloudEvent
{
    /// <summary>The media types in which that SDK can write text; besides these whatever ends in +json or +xml.</summary>
    private static readonly HashSet<string> TextTypes = ["", "application/json", "text/json", "application/xml", "text/xml", "text/plain"];

    public static bool Is(ReadOnlyMemory<byte> bytes)
    {
        Protobuf.CloudEvent read;
        try
        {
            read = Protobuf.CloudEvent.Parser.ParseFrom(bytes.Span);
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }

        if (!AreText(read.Id, read.Source, read.SpecVersion, read.Type, read.TextData, read.ProtoData?.TypeUrl ?? ByteString.Empty)) return false;
        var attributes = new Dictionary<ByteString, AttributeValue>();
        foreach (var attribute in read.Attributes)
        {
            var value = attribute.Value ?? new AttributeValue();
            if (!AreText(attribute.Name, value.CeString, value.CeUri, value.CeUriRef)) return false;
            attributes[attribute.Name] = value;
        }

        return attributes.Values.All(IsWhole) && (!read.HasTextData || CanHoldText(attributes.GetValueOrDefault(ByteString.CopyFromUtf8("datacontenttype"))));
    }

    private static bool IsWhole(AttributeValue value) => value.AttrCase switch
    {
        Kind.None => false,
        Kind.CeUri => GoUrl.IsValid(value.CeUri.ToStringUtf8()),
        Kind.CeUriRef => GoUrl.IsValid(value.CeUriRef.ToStringUtf8()),
        _ => true,
    };

    private static bool CanHoldText(AttributeValue? contentType)
    {
        var type = contentType is { HasCeString: true } ? contentType.CeString.ToStringUtf8().Trim() : "";
        var end = type.IndexOf(';');
        var mediaType = end < 0 ? type : type[..end];
        return TextTypes.Contains(mediaType) || mediaType.EndsWith("+json", StringComparison.Ordinal) || mediaType.EndsWith("+xml", StringComparison.Ordinal);
    }

    private static bool AreText(params ReadOnlySpan<ByteString> fields)
    {
        foreach (var field in fields)
        {
            if (!Utf8.IsValid(field.Span)) return false;
        }

        return true;
    }
}
