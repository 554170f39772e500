using System.Buffers.Binary;

namespace Grpc.Net.Client.Http2;

internal enum FrameType : byte
{
    Data = 0,
    Headers = 1,
    RstStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
}

/// <summary>How every frame of HTTP/2 begins (RFC 9113, section 4.1).</summary>
internal readonly record struct FrameHead(int PayloadLength, FrameType Type, byte Flags, int Stream)
{
    public const int Length = 9;

    /// <summary>Bytes that anybody must take in a frame; neither side is asked for more.</summary>
    public const int MaxPayload = 16 * 1024;

    public const byte EndStream = 0x1;
    public const byte Ack = 0x1;
    public const byte EndHeaders = 0x4;
    public const byte Padded = 0x8;
    public const byte Priority = 0x20;

    public static FrameHead Read(ReadOnlySpan<byte> bytes) => new(
        (int)(BinaryPrimitives.ReadUInt32BigEndian(bytes) >> 8),
        (FrameType)bytes[3],
        bytes[4],
        BinaryPrimitives.ReadInt32BigEndian(bytes[5..]) & int.MaxValue);

    public static void Write(Span<byte> bytes, int length, FrameType type, byte flags, int stream)
    {
        BinaryPrimitives.WriteUInt32BigEndian(bytes, ((uint)length << 8) | (byte)type);
        bytes[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(bytes[5..], stream);
    }

    public bool Has(byte flag) => (Flags & flag) != 0;
}
