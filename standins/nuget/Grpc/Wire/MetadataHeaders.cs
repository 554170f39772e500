using Grpc.Core;

namespace Grpc.Wire;

/// <summary>Between header fields and metadata entries.</summary>
internal static class MetadataHeaders
{
    /// <summary>Fields of HTTP or of the protocol itself, which are no metadata.</summary>
    public static bool IsReserved(string name) =>
        name.StartsWith(':')
        || name.Equals("grpc-status", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-message", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-timeout", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-encoding", StringComparison.OrdinalIgnoreCase)
        || name.Equals("grpc-accept-encoding", StringComparison.OrdinalIgnoreCase)
        || name.Equals("content-type", StringComparison.OrdinalIgnoreCase)
        || name.Equals("te", StringComparison.OrdinalIgnoreCase)
        || name.Equals("host", StringComparison.OrdinalIgnoreCase)
        || name.Equals("accept-encoding", StringComparison.OrdinalIgnoreCase);

    public static string Encode(Metadata.Entry entry) => entry.IsBinary ? Convert.ToBase64String(entry.Bytes) : entry.Value;

    /// <summary>Adds the field; a binary one may hold several values, split by commas, with or without padding.</summary>
    /// <exception cref="RpcException">INTERNAL: a binary value is not base64.</exception>
    public static void Add(Metadata metadata, string name, string value)
    {
        if (!name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
        {
            metadata.Add(name, value);
            return;
        }

        foreach (var part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            metadata.Add(name, Bytes(name, part));
        }
    }

    private static byte[] Bytes(string name, string base64)
    {
        try
        {
            return Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '='));
        }
        catch (FormatException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"The value of the header '{name}' is not base64.", e));
        }
    }
}
