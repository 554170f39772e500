namespace Saga.Hosting;

/// <summary>The header grpc-message, percent-encoded as gRPC's protocol over HTTP/2 has it.</summary>
internal static class GrpcMessage
{
    public static string Encode(string message) => Uri.EscapeDataString(message).Replace("%20", " ", StringComparison.Ordinal);
}
