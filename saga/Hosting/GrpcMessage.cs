using System.Globalization;
using System.Text;

namespace Saga.Hosting;

/// <summary>The header grpc-message: UTF-8, of which all but printable ASCII, and %, is percent-encoded, as gRPC's protocol over HTTP/2 has it.</summary>
internal static class GrpcMessage
{
    public static string Encode(string message)
    {
        var encoded = new StringBuilder(message.Length);
        foreach (var one in Encoding.UTF8.GetBytes(message))
        {
            if (one is >= 0x20 and <= 0x7E and not (byte)'%') encoded.Append((char)one);
            else encoded.Append(CultureInfo.InvariantCulture, $"%{one:X2}");
        }
        return encoded.ToString();
    }
}
