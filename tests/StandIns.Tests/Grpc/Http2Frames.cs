using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace StandIns.GrpcTests;

/// <summary>One end of an HTTP/2 connection that says exactly what a test tells it to.</summary>
internal sealed class Http2Frames(Socket socket) : IDisposable
{
    public const byte Data = 0, Headers = 1, RstStream = 3, Settings = 4, PushPromise = 5, Ping = 6, GoAway = 7, WindowUpdate = 8, Continuation = 9;
    public const byte EndStream = 1, Ack = 1, EndHeaders = 4, Padded = 8, Priority = 0x20;

    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly NetworkStream stream = new(Prompt(socket), ownsSocket: true);

    public static async Task<Http2Frames> ConnectAsync(Uri address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.Host, address.Port);
        var frames = new Http2Frames(socket);
        await frames.stream.WriteAsync(Preface);
        await frames.WriteAsync(Settings, 0, 0, []);
        return frames;
    }

    /// <param name="settings">The payload of the first frame.</param>
    public static async Task<Http2Frames> AcceptAsync(Socket socket, byte[] settings)
    {
        var frames = new Http2Frames(socket);
        await frames.stream.ReadExactlyAsync(new byte[Preface.Length]);
        await frames.WriteAsync(Settings, 0, 0, settings);
        return frames;
    }

    /// <summary>Header fields as HPACK literals, without any table.</summary>
    public static byte[] Fields(params (string Name, string Value)[] fields) =>
        [.. fields.SelectMany(field => (byte[])[0, .. Text(field.Name), .. Text(field.Value)])];

    public async Task WriteAsync(byte type, byte flags, int streamId, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8 | type);
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, 9);
        await stream.WriteAsync(frame);
    }

    /// <returns>Null when either end has closed the connection.</returns>
    public async Task<(byte Type, byte Flags, int StreamId, byte[] Payload)?> ReadAsync()
    {
        try
        {
            var header = new byte[9];
            await stream.ReadExactlyAsync(header);
            var payload = new byte[BinaryPrimitives.ReadInt32BigEndian(header) >>> 8];
            await stream.ReadExactlyAsync(payload);
            return (header[3], header[4], BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5)), payload);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return null;
        }
    }

    public static byte[] Setting(byte id, int value) => [0, id, .. Number(value)];

    public static byte[] Number(int number)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return bytes;
    }

    public void Dispose() => stream.Dispose();

    private static Socket Prompt(Socket socket)
    {
        socket.NoDelay = true;
        return socket;
    }

    /// <summary>Shorter than HPACK's first length byte can say: 127.</summary>
    private static byte[] Text(string text) => [checked((byte)text.Length), .. Encoding.ASCII.GetBytes(text)];
}
