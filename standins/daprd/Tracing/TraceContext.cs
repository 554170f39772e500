using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Daprd.Tracing;

/// <summary>A W3C trace context.</summary>
/// <param name="Parent">A traceparent; empty: no trace.</param>
internal readonly record struct TraceContext(string Parent, string State)
{
    public static readonly TraceContext None = new("", "");

    /// <summary>The header with the trace context in gRPC's binary format.</summary>
    public const string BinaryHeader = "grpc-trace-bin";

    /// <summary>Sent to an app if there is no trace.</summary>
    public const string Zero = "00-00000000000000000000000000000000-0000000000000000-00";

    /// <summary>The traceparent to send: all zeros if there is no trace.</summary>
    public string OrZero => IsParent(Parent) ? Parent : Zero;

    /// <summary>grpc-trace-bin takes precedence over traceparent; the last of several values counts. gRPC drops the tracestate.</summary>
    public static TraceContext FromGrpc(IHeaderDictionary headers)
    {
        var text = Last(headers[BinaryHeader]);
        Span<byte> bytes = stackalloc byte[29];
        // Padding is optional in gRPC.
        if (text.Length is 39 or 40 && Convert.TryFromBase64String(text.PadRight(40, '='), bytes, out var length)
            && FromBinary(bytes[..length]) is { } parent && IsParent(parent))
        {
            return new TraceContext(parent, "");
        }
        var readable = Last(headers.TraceParent);
        return IsParent(readable) ? new TraceContext(readable, "") : None;
    }

    private static string Last(StringValues values)
    {
        var last = values.Count == 0 ? "" : values[^1] ?? "";
        return last[(last.LastIndexOf(',') + 1)..].Trim();
    }

    public static TraceContext FromHttp(string? parent, string? state) => IsParent(parent) ? new TraceContext(parent!, state ?? "") : None;

    /// <summary>The context of an envelope; an empty traceparent means no trace.</summary>
    public static TraceContext FromEnvelope(string parent) => IsParent(parent) ? new TraceContext(parent, "") : None;

    /// <summary>Whether the text is a traceparent with a trace id other than zero.</summary>
    public static bool IsParent(string? text) =>
        text is { Length: 55 } && text[2] == '-' && text[35] == '-' && text[52] == '-' && text.AsSpan(3, 32).ContainsAnyExcept('0');

    /// <summary>The 29 bytes of grpc-trace-bin for a traceparent.</summary>
    public static byte[] ToBinary(string parent)
    {
        var bytes = new byte[29];
        Convert.FromHexString(parent.AsSpan(3, 32), bytes.AsSpan(2), out _, out _);
        bytes[18] = 1;
        Convert.FromHexString(parent.AsSpan(36, 16), bytes.AsSpan(19), out _, out _);
        bytes[27] = 2;
        bytes[28] = byte.Parse(parent.AsSpan(53, 2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        return bytes;
    }

    private static string? FromBinary(ReadOnlySpan<byte> bytes) => bytes is [0, 0, .., 2, _] and { Length: 29 } && bytes[18] == 1
        ? $"00-{Convert.ToHexStringLower(bytes.Slice(2, 16))}-{Convert.ToHexStringLower(bytes.Slice(19, 8))}-{bytes[28]:x2}"
        : null;
}
