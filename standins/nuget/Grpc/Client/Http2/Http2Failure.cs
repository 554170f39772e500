namespace Grpc.Net.Client.Http2;

/// <summary>The codes with which HTTP/2 ends a stream or a connection (RFC 9113, section 7), as this client says them.</summary>
internal static class Http2Failure
{
    public const int ProtocolError = 0x1;
    public const int FlowControlError = 0x3;
    public const int FrameSizeError = 0x6;
    public const int RefusedStream = 0x7;
    public const int Cancel = 0x8;
    public const int CompressionError = 0x9;
    public const int EnhanceYourCalm = 0xb;

    public static HttpProtocolException Of(int code, string what) => new(code, $"HTTP/2 error 0x{code:x}: {what}.", null);
}
