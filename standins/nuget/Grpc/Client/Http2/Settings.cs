using System.Buffers.Binary;

namespace Grpc.Net.Client.Http2;

/// <summary>What one end of a connection tells the other about itself (RFC 9113, section 6.5).</summary>
internal static class Settings
{
    public const int HeaderTableSize = 0x1;
    public const int EnablePush = 0x2;
    public const int MaxConcurrentStreams = 0x3;
    public const int InitialWindowSize = 0x4;
    public const int MaxHeaderListSize = 0x6;

    private const int EntryLength = 6;

    public static byte[] Ours { get; } =
        [.. Entry(EnablePush, 0), .. Entry(InitialWindowSize, Inbox.Window), .. Entry(MaxHeaderListSize, FieldReader.MaxFields)];

    public static IEnumerable<(int Id, uint Value)> Read(byte[] payload)
    {
        if (payload.Length % EntryLength != 0)
        {
            throw Http2Failure.Of(Http2Failure.FrameSizeError, "the server's settings end too soon");
        }

        for (var i = 0; i < payload.Length; i += EntryLength)
        {
            yield return (BinaryPrimitives.ReadUInt16BigEndian(payload.AsSpan(i)), BinaryPrimitives.ReadUInt32BigEndian(payload.AsSpan(i + 2)));
        }
    }

    private static byte[] Entry(ushort id, uint value)
    {
        var entry = new byte[EntryLength];
        BinaryPrimitives.WriteUInt16BigEndian(entry, id);
        BinaryPrimitives.WriteUInt32BigEndian(entry.AsSpan(2), value);
        return entry;
    }
}
