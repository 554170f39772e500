using System.Diagnostics;
using System.IO.Pipelines;
using Grpc.Wire;

namespace Grpc.Net.Client.Http2;

/// <summary>A call as a stream of a connection; first it may have to wait for one.</summary>
/// <remarks>What a connection does with it is under the gate that all connections of a channel share.</remarks>
internal sealed class Http2Stream : Exchange
{
    /// <summary>Times that a request is sent before it is given up; only those that the server says it has not looked at are sent again.</summary>
    private const int MaxAttempts = 3;

    private readonly Connections connections;
    private readonly PooledFrame? only;
    private Activity? activity;
    private readonly Inbox inbox;
    private Fields headers = Fields.None;
    private Fields trailers = Fields.None;
    private TaskCompletionSource? writing;
    private Exception? fault;
    private int attempts;

    /// <param name="only">The one message to send. Null: they will be written one by one.</param>
    /// <param name="patient">One answer is due, so that nobody needs to hear of it piece by piece.</param>
    public Http2Stream(Connections connections, RequestHead head, PooledFrame? only, bool patient, Activity? activity)
    {
        this.connections = connections;
        this.only = only;
        this.activity = activity;
        Head = head;
        inbox = new Inbox(this, patient);
        Rewind();
    }

    public RequestHead Head { get; }

    /// <summary>Null while it waits for one.</summary>
    public Http2Connection? Connection { get; private set; }

    public int Id { get; private set; }

    /// <summary>Bytes that the server is ready to take, of this stream.</summary>
    public long SendWindow { get; set; }

    /// <summary>Bytes that the server may still send.</summary>
    public int ReceiveWindow { get; set; }

    public ReadOnlyMemory<byte> Unsent { get; private set; }

    /// <summary>True: after what is unsent comes nothing more.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>True once the server knows that nothing more comes.</summary>
    public bool IsSent { get; private set; }

    /// <summary>True while it is in the line of those that have something to send.</summary>
    public bool IsQueued { get; set; }

    /// <summary>Nothing is sent or received any more.</summary>
    public bool IsClosed { get; private set; }

    public bool IsAnswered { get; private set; }

    public Inbox Inbox => inbox;

    public override Fields Headers => headers;

    public override Fields Trailers => trailers;

    public override PipeReader Body => inbox;

    public override ValueTask AnsweredAsync() => inbox.AnsweredAsync();

    public override Task HeadersAsync() => inbox.HeadersAsync();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, bool flush)
    {
        Task? written = null;
        lock (connections.Gate)
        {
            if (IsClosed || IsComplete)
            {
                throw fault ?? new IOException("The call has ended.");
            }

            Unsent = bytes;
            Connection?.Send(this);
            if (Unsent.Length > 0)
            {
                writing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                written = writing.Task;
            }
        }

        if (flush || written is not null)
        {
            Connection?.Flush();
        }

        return written is null ? default : new ValueTask(written);
    }

    public override void Complete()
    {
        lock (connections.Gate)
        {
            if (IsClosed || IsComplete)
            {
                return;
            }

            IsComplete = true;
            Connection?.Send(this);
        }

        Connection?.Flush();
    }

    public override void Cancel()
    {
        lock (connections.Gate)
        {
            if (IsClosed)
            {
                return;
            }

            Connection?.Reset(this, Http2Failure.Cancel);
            Close(new OperationCanceledException("The call was cancelled."));
        }

        Connection?.Flush();
    }

    public override void Dispose()
    {
        Cancel();
        inbox.Complete();
        only?.Dispose();
        if (activity is not null && Interlocked.Exchange(ref activity, null) is { } begun)
        {
            CallActivity.Stop(begun, headers, fault);
        }
    }

    /// <summary>The reader has looked at so many bytes, and waits for more.</summary>
    public void Credit(int bytes)
    {
        lock (connections.Gate)
        {
            if (!IsClosed)
            {
                ReceiveWindow += bytes;
                Connection!.Credit(Id, bytes);
            }
        }

        Connection!.Flush();
    }

    public void Begin(Http2Connection connection, int id, long window)
    {
        Connection = connection;
        Id = id;
        SendWindow = window;
        ReceiveWindow = Inbox.Window;
        attempts++;
    }

    /// <returns>True when it can be sent again, from its beginning.</returns>
    public bool TryRestart()
    {
        if (IsClosed || IsAnswered || only is null || attempts == MaxAttempts)
        {
            return false;
        }

        Connection = null;
        Rewind();
        return true;
    }

    public void Sent(int bytes, bool end)
    {
        Unsent = Unsent[bytes..];
        SendWindow -= bytes;
        IsSent = end;
        if (Unsent.IsEmpty)
        {
            writing?.TrySetResult();
            writing = null;
        }
    }

    /// <inheritdoc cref="Inbox.Open"/>
    public bool Answer(Fields fields)
    {
        IsAnswered = true;
        headers = fields;
        return inbox.Open();
    }

    /// <inheritdoc cref="Inbox.Open"/>
    public bool End(Fields last)
    {
        trailers = last;
        Close(null);
        return inbox.End();
    }

    public void Close(Exception? e)
    {
        IsClosed = true;
        fault = e;
        writing?.TrySetException(e ?? new IOException("The server has ended the call."));
        writing = null;
        if (e is not null)
        {
            inbox.Fail(e);
        }
    }

    private void Rewind()
    {
        Unsent = only?.Bytes ?? default;
        IsComplete = only is not null;
        IsSent = IsQueued = false;
    }
}
