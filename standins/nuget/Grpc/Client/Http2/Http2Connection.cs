using System.Net.Sockets;

namespace Grpc.Net.Client.Http2;

/// <summary>One HTTP/2 connection to a server that is known to speak it: its streams, and what goes out.</summary>
/// <remarks>Fields and methods are under the gate, except where it says otherwise.</remarks>
internal sealed partial class Http2Connection : IThreadPoolWorkItem
{
    private const int UsualWindow = 65_535;

    /// <summary>Bytes that the server may send on all streams before it is told that they came.</summary>
    private const int ReceiveWindow = 16 * 1024 * 1024;

    /// <summary>Bytes waiting for the socket, above which messages wait with their streams.</summary>
    private const int MuchOutput = 128 * 1024;

    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly Connections connections;
    private readonly Socket socket;
    private readonly Dictionary<int, Http2Stream> streams = [];
    private readonly Queue<Http2Stream> line = new();
    private readonly FieldWriter fields = new();
    private Output output = new();
    private Output leaving = new();
    private int nextId = 1;

    /// <summary>Streams at once: none, before the server has said how many.</summary>
    private long maxStreams;

    private long sendWindow = UsualWindow;
    private long streamWindow = UsualWindow;
    private int uncredited;
    private bool flushing;

    /// <summary>Those who waited and have not gone on yet: what they will say next leaves together.</summary>
    private int waking;
    private bool goingAway;
    private bool closed;

    public Http2Connection(Connections connections, Socket socket)
    {
        this.connections = connections;
        this.socket = socket;
        receiving = new Receiving(this);
        output.Write(Preface);
        output.Frame(FrameType.Settings, 0, 0, Settings.Ours);
        output.Frame(FrameType.WindowUpdate, 0, ReceiveWindow - UsualWindow);
    }

    private bool IsUsable => !closed && !goingAway && nextId < int.MaxValue;

    /// <returns>False when the connection cannot take one more; true also when the stream needs none any more.</returns>
    public bool TryStart(Http2Stream stream)
    {
        if (stream.IsClosed)
        {
            return true;
        }

        if (!IsUsable || streams.Count >= maxStreams)
        {
            return false;
        }

        stream.Begin(this, nextId, streamWindow);
        nextId += 2;
        streams.Add(stream.Id, stream);
        var start = output.Open();
        fields.Write(output, stream.Head);
        output.CloseHeaders(start, stream.Id);
        Send(stream);
        return true;
    }

    /// <summary>Sends what the windows allow, now or as soon as they do.</summary>
    public void Send(Http2Stream stream)
    {
        if (!stream.IsQueued)
        {
            stream.IsQueued = true;
            line.Enqueue(stream);
        }

        Pump();
    }

    public void Reset(Http2Stream stream, int code)
    {
        output.Frame(FrameType.RstStream, stream.Id, (uint)code);
        Remove(stream);
    }

    public void Credit(int stream, int bytes) => output.Frame(FrameType.WindowUpdate, stream, (uint)bytes);

    /// <summary>Ends the connection and what is under way on it.</summary>
    public void Close(Func<Exception> why)
    {
        if (closed)
        {
            return;
        }

        closed = true;
        connections.Remove(this);
        if (!greeted)
        {
            connections.Fail(why);
        }

        foreach (var stream in streams.Values)
        {
            stream.Close(why());
        }

        streams.Clear();
        socket.Dispose();
    }

    /// <summary>Not under the gate. What one call alone says leaves at once; what many say leaves together, when a thread has time.</summary>
    public void Flush()
    {
        bool alone;
        lock (connections.Gate)
        {
            if (!BeginsFlush())
            {
                return;
            }

            alone = streams.Count <= 1;
        }

        if (alone)
        {
            Execute();
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    public void FlushLater()
    {
        if (BeginsFlush())
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Not under the gate. One of those who waited goes on.</summary>
    public void WentOn()
    {
        if (Interlocked.Decrement(ref waking) == 0)
        {
            Flush();
        }
    }

    /// <summary>Not under the gate.</summary>
    public void Execute() => _ = SendAsync();

    /// <returns>False when somebody else will flush, or there is nothing to.</returns>
    private bool BeginsFlush() => waking == 0 && !flushing && !closed && output.Length > 0 && (flushing = true);

    private async Task SendAsync()
    {
        try
        {
            while (true)
            {
                lock (connections.Gate)
                {
                    Pump();
                    if (closed || output.Length == 0)
                    {
                        flushing = false;
                        return;
                    }

                    (output, leaving) = (leaving, output);
                }

                for (var rest = leaving.Written; rest.Length > 0;)
                {
                    rest = rest[await socket.SendAsync(rest).ConfigureAwait(false)..];
                }

                leaving.Clear();
            }
        }
        catch (Exception e)
        {
            Break(e);
        }
    }

    private void Pump()
    {
        while (output.Length < MuchOutput && line.TryPeek(out var stream))
        {
            var waits = stream.Connection == this && !stream.IsClosed && !stream.Unsent.IsEmpty;
            if (waits && sendWindow <= 0)
            {
                return;
            }

            line.Dequeue();
            if (stream.Connection == this)
            {
                stream.IsQueued = false;
                if (!stream.IsClosed && !stream.IsSent)
                {
                    SendPiece(stream);
                }
            }
        }
    }

    private void SendPiece(Http2Stream stream)
    {
        var length = (int)Math.Min(Math.Min(stream.Unsent.Length, FrameHead.MaxPayload), Math.Max(0, Math.Min(stream.SendWindow, sendWindow)));
        var end = stream.IsComplete && length == stream.Unsent.Length;
        if (length == 0 && !end)
        {
            // There is nothing to send, or the server does not want it now: it will say when.
            return;
        }

        output.Frame(FrameType.Data, end ? FrameHead.EndStream : (byte)0, stream.Id, stream.Unsent.Span[..length]);
        sendWindow -= length;
        stream.Sent(length, end);
        if (!stream.Unsent.IsEmpty)
        {
            stream.IsQueued = true;
            line.Enqueue(stream);
        }
    }

    private void Remove(Http2Stream stream)
    {
        streams.Remove(stream.Id);
        if (goingAway && streams.Count == 0)
        {
            Close(() => new IOException("The server has gone away."));
        }
        else
        {
            connections.StartWaiting();
        }
    }

    private void Break(Exception e)
    {
        lock (connections.Gate)
        {
            Close(() => e switch
            {
                HttpProtocolException protocol => new HttpProtocolException(protocol.ErrorCode, protocol.Message, protocol),
                HttpRequestException request => new HttpRequestException(request.HttpRequestError, request.Message, request),
                _ => new IOException(e.Message, e),
            });
        }
    }
}
