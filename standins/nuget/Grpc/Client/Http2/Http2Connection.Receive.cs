using System.Buffers.Binary;
using System.Net.Sockets;

namespace Grpc.Net.Client.Http2;

/// <content>What comes in.</content>
internal sealed partial class Http2Connection
{
    private readonly Receiving receiving;
    private readonly FieldReader fieldReader = new();

    /// <summary>Header fields that came in pieces so far, and the frame they began with. Null: none have.</summary>
    private (FrameHead Head, List<byte> Block)? pieces;

    private bool greeted;

    /// <summary>Not under the gate. Takes in whatever comes, from now on.</summary>
    public void Receive() => Receive(received: false);

    private void Receive(bool received)
    {
        Inbox? awake = null;
        while (!received || TakeIn(ref awake))
        {
            received = true;
            try
            {
                if (receiving.IsPending(socket))
                {
                    break;
                }
            }
            catch (ObjectDisposedException)
            {
                break;
            }

            Queue(ref awake);
        }

        // The last one that was waited for goes on here: whatever comes next, another thread takes in.
        awake?.Execute();
    }

    private static void Queue(ref Inbox? awake)
    {
        if (awake is not null)
        {
            ThreadPool.UnsafeQueueUserWorkItem(awake, preferLocal: true);
            awake = null;
        }
    }

    /// <returns>False when the connection has come to its end.</returns>
    private bool TakeIn(ref Inbox? awake)
    {
        try
        {
            receiving.Take();
            lock (connections.Gate)
            {
                while (!closed && receiving.TryRead(out var head, out var payload))
                {
                    Inbox? next = null;
                    Handle(head, payload, ref next);
                    if (next is not null)
                    {
                        Interlocked.Increment(ref waking);
                        next.Waker = this;
                        Queue(ref awake);
                        awake = next;
                    }
                }

                if (closed)
                {
                    return false;
                }
            }

            Flush();
            return true;
        }
        catch (HttpProtocolException e)
        {
            Refuse(e);
            return false;
        }
        catch (Exception e)
        {
            Break(e);
            return false;
        }
    }

    private void Handle(FrameHead head, ReadOnlySpan<byte> payload, ref Inbox? awake)
    {
        if (!greeted && (head.Type != FrameType.Settings || head.Has(FrameHead.Ack)))
        {
            throw Http2Failure.Of(Http2Failure.ProtocolError, "the server does not begin with its settings");
        }

        if (pieces is null == (head.Type == FrameType.Continuation) || (pieces is { } begun && begun.Head.Stream != head.Stream))
        {
            throw Http2Failure.Of(Http2Failure.ProtocolError, "header fields are not in one piece");
        }

        switch (head.Type)
        {
            case FrameType.Data:
                OnData(head, payload, ref awake);
                break;
            case FrameType.Headers:
                OnHeaders(head, WithoutPadding(head, payload)[(head.Has(FrameHead.Priority) ? 5 : 0)..], ref awake);
                break;
            case FrameType.Continuation:
                OnContinuation(head, payload, ref awake);
                break;
            case FrameType.RstStream:
                OnReset(head, Number(payload));
                break;
            case FrameType.Settings when !head.Has(FrameHead.Ack):
                OnSettings(payload);
                break;
            case FrameType.Ping when !head.Has(FrameHead.Ack):
                Answer(FrameType.Ping, payload);
                break;
            case FrameType.GoAway:
                OnGoAway((int)Number(payload) & int.MaxValue, (int)Number(payload[sizeof(uint)..]));
                break;
            case FrameType.WindowUpdate:
                OnWindowUpdate(head, Number(payload) & int.MaxValue);
                break;
            case FrameType.PushPromise:
                throw Http2Failure.Of(Http2Failure.ProtocolError, "the server pushes, which it was told not to");
        }
    }

    private void OnData(FrameHead head, ReadOnlySpan<byte> payload, ref Inbox? awake)
    {
        uncredited += head.PayloadLength;
        if (uncredited >= ReceiveWindow / 2)
        {
            Credit(0, uncredited);
            uncredited = 0;
        }

        if (Find(head) is not { } stream)
        {
            return;
        }

        stream.ReceiveWindow -= head.PayloadLength;
        if (stream.ReceiveWindow < 0 || !stream.IsAnswered)
        {
            Fail(stream, stream.IsAnswered ? Http2Failure.FlowControlError : Http2Failure.ProtocolError, "the server sends what it may not");
            return;
        }

        var bytes = WithoutPadding(head, payload);
        if (bytes.Length < head.PayloadLength && !head.Has(FrameHead.EndStream))
        {
            stream.ReceiveWindow += head.PayloadLength - bytes.Length;
            Credit(stream.Id, head.PayloadLength - bytes.Length);
        }

        var wakes = stream.Inbox.Append(bytes);
        if (head.Has(FrameHead.EndStream))
        {
            wakes |= End(stream, Fields.None);
        }

        awake = wakes ? stream.Inbox : null;
    }

    private void OnHeaders(FrameHead head, ReadOnlySpan<byte> block, ref Inbox? awake)
    {
        if (!head.Has(FrameHead.EndHeaders))
        {
            pieces = (head, [.. block]);
            return;
        }

        // They are read even if nobody wants them: they are part of what both ends remember.
        var fields = fieldReader.Read(block);
        if (Find(head) is not { } stream)
        {
            return;
        }

        var wakes = false;
        if (stream.IsAnswered)
        {
            if (!head.Has(FrameHead.EndStream))
            {
                Fail(stream, Http2Failure.ProtocolError, "the server goes on after its trailers");
                return;
            }

            wakes = End(stream, fields);
        }
        else if (fields.Status is < 100 or > 599)
        {
            Fail(stream, Http2Failure.ProtocolError, "the server answers without a status");
        }
        else if (fields.Status >= 200)
        {
            wakes = stream.Answer(fields);
            wakes |= head.Has(FrameHead.EndStream) && End(stream, Fields.None);
        }

        awake = wakes ? stream.Inbox : null;
    }

    private void OnContinuation(FrameHead head, ReadOnlySpan<byte> payload, ref Inbox? awake)
    {
        var (first, block) = pieces!.Value;
        block.AddRange(payload);
        if (block.Count > FieldReader.MaxFields)
        {
            throw Http2Failure.Of(Http2Failure.EnhanceYourCalm, $"the header fields of an answer have more than {FieldReader.MaxFields} bytes");
        }

        if (head.Has(FrameHead.EndHeaders))
        {
            pieces = null;
            OnHeaders(first with { Flags = (byte)(first.Flags | FrameHead.EndHeaders) }, block.ToArray(), ref awake);
        }
    }

    private void OnReset(FrameHead head, uint code)
    {
        if (Find(head) is not { } stream)
        {
            return;
        }

        Remove(stream);
        if (code != Http2Failure.RefusedStream || !TryStartAgain(stream))
        {
            stream.Close(Http2Failure.Of((int)code, "the server has reset the call"));
        }
    }

    private void OnSettings(ReadOnlySpan<byte> payload)
    {
        maxStreams = greeted ? maxStreams : int.MaxValue;
        foreach (var (id, value) in Settings.Read(payload.ToArray()))
        {
            switch (id)
            {
                case Settings.HeaderTableSize:
                    fields.Limit(value);
                    break;
                case Settings.MaxConcurrentStreams:
                    maxStreams = value;
                    break;
                case Settings.InitialWindowSize when value > int.MaxValue:
                    throw Http2Failure.Of(Http2Failure.FlowControlError, $"a window of {value} bytes is too large");
                case Settings.InitialWindowSize:
                    foreach (var stream in streams.Values)
                    {
                        stream.SendWindow += value - streamWindow;
                        Send(stream);
                    }

                    streamWindow = value;
                    break;
            }
        }

        Answer(FrameType.Settings, []);
        if (greeted)
        {
            connections.StartWaiting();
        }
        else
        {
            greeted = true;
            connections.Greet(mayHaveMore: maxStreams > 0);
        }
    }

    private void OnGoAway(int last, int code)
    {
        goingAway = true;
        foreach (var stream in streams.Values.Where(stream => stream.Id > last).ToList())
        {
            streams.Remove(stream.Id);
            if (!TryStartAgain(stream))
            {
                stream.Close(Http2Failure.Of(Http2Failure.RefusedStream, $"the server went away, with code 0x{code:x}, before it looked at the call"));
            }
        }

        if (streams.Count == 0)
        {
            Close(() => new IOException("The server has gone away."));
        }
    }

    private void OnWindowUpdate(FrameHead head, uint bytes)
    {
        if (head.Stream == 0)
        {
            sendWindow += bytes;
            if (bytes == 0 || sendWindow > int.MaxValue)
            {
                throw Http2Failure.Of(Http2Failure.FlowControlError, "a window cannot grow like this");
            }

            Pump();
        }
        else if (Find(head) is { } stream)
        {
            stream.SendWindow += bytes;
            if (bytes == 0 || stream.SendWindow > int.MaxValue)
            {
                Fail(stream, Http2Failure.FlowControlError, "a window cannot grow like this");
                return;
            }

            Send(stream);
        }
    }

    /// <returns>Null: it has ended, as far as this end is concerned.</returns>
    private Http2Stream? Find(FrameHead head) => streams.TryGetValue(head.Stream, out var stream) ? stream
        : head.Stream > 0 && head.Stream < nextId && head.Stream % 2 == 1 ? null
        : throw Http2Failure.Of(Http2Failure.ProtocolError, $"a frame of type {head.Type} is for stream {head.Stream}, which nobody has begun");

    /// <inheritdoc cref="Inbox.Open"/>
    private bool End(Http2Stream stream, Fields trailers)
    {
        var wakes = stream.End(trailers);
        if (stream.IsSent)
        {
            Remove(stream);
        }
        else
        {
            Reset(stream, Http2Failure.Cancel);
        }

        return wakes;
    }

    private void Fail(Http2Stream stream, int code, string what)
    {
        Reset(stream, code);
        stream.Close(Http2Failure.Of(code, what));
    }

    private bool TryStartAgain(Http2Stream stream)
    {
        if (!stream.TryRestart())
        {
            return false;
        }

        connections.Start(stream);
        return true;
    }

    private void Answer(FrameType type, ReadOnlySpan<byte> payload)
    {
        if (output.Length > 2 * MuchOutput)
        {
            throw Http2Failure.Of(Http2Failure.EnhanceYourCalm, "the server asks for more answers than it reads");
        }

        output.Frame(type, FrameHead.Ack, 0, payload);
    }

    /// <summary>Tells the server what it did wrong, if it still listens, and has done with it.</summary>
    private void Refuse(HttpProtocolException e)
    {
        lock (connections.Gate)
        {
            Span<byte> payload = stackalloc byte[2 * sizeof(uint)];
            BinaryPrimitives.WriteUInt32BigEndian(payload[sizeof(uint)..], (uint)e.ErrorCode);
            output.Frame(FrameType.GoAway, 0, 0, payload);
            if (BeginsFlush())
            {
                socket.Blocking = false;
                socket.Send(output.Written.Span, SocketFlags.None, out _);
            }
        }

        Break(e);
    }

    private static ReadOnlySpan<byte> WithoutPadding(FrameHead head, ReadOnlySpan<byte> payload)
    {
        if (!head.Has(FrameHead.Padded))
        {
            return payload;
        }

        return payload.Length > 0 && payload[0] < payload.Length
            ? payload[1..^payload[0]]
            : throw Http2Failure.Of(Http2Failure.ProtocolError, "a frame is all padding");
    }

    private static uint Number(ReadOnlySpan<byte> payload) => payload.Length >= sizeof(uint)
        ? BinaryPrimitives.ReadUInt32BigEndian(payload)
        : throw Http2Failure.Of(Http2Failure.FrameSizeError, "a frame is too short");

    /// <summary>The bytes that come, cut into frames.</summary>
    private sealed class Receiving(Http2Connection connection) : SocketAsyncEventArgs(true)
    {
        private readonly byte[] buffer = new byte[4 * FrameHead.MaxPayload];
        private int start;
        private int end;

        /// <returns>False when something has come already.</returns>
        public bool IsPending(Socket socket)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
            SetBuffer(buffer, end, buffer.Length - end);
            return socket.ReceiveAsync(this);
        }

        /// <exception cref="SocketException">Nothing has come, and nothing will.</exception>
        public void Take()
        {
            if (SocketError != SocketError.Success)
            {
                throw new SocketException((int)SocketError);
            }

            end += BytesTransferred > 0 ? BytesTransferred : throw new IOException("The server has closed the connection.");
            if (!connection.greeted && buffer.AsSpan(start, end - start).StartsWith("HTTP/1"u8))
            {
                throw new HttpRequestException(HttpRequestError.VersionNegotiationError, "It answers in HTTP/1.");
            }
        }

        public bool TryRead(out FrameHead head, out ReadOnlySpan<byte> payload)
        {
            head = default;
            payload = default;
            if (end - start < FrameHead.Length)
            {
                return false;
            }

            head = FrameHead.Read(buffer.AsSpan(start));
            if (head.PayloadLength > FrameHead.MaxPayload)
            {
                throw Http2Failure.Of(Http2Failure.FrameSizeError, $"a frame has {head.PayloadLength} bytes");
            }

            if (end - start < FrameHead.Length + head.PayloadLength)
            {
                return false;
            }

            payload = buffer.AsSpan(start + FrameHead.Length, head.PayloadLength);
            start += FrameHead.Length + head.PayloadLength;
            return true;
        }

        protected override void OnCompleted(SocketAsyncEventArgs e) => connection.Receive(received: true);
    }
}
