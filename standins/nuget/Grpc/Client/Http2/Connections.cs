using System.Net.Sockets;
using Grpc.Wire;

namespace Grpc.Net.Client.Http2;

/// <summary>The connections of a channel to its server, as many as its calls need: one, until the server wants no more calls on it.</summary>
internal sealed class Connections(Uri address) : IDisposable
{
    private readonly CancellationTokenSource disposed = new();
    private readonly List<Http2Connection> open = [];
    private readonly Queue<Http2Stream> waiting = new();
    private bool connecting;

    /// <summary>Held by whoever touches a connection or a stream of this channel.</summary>
    public Lock Gate { get; } = new();

    /// <param name="only">The one message to send; null: they will be written one by one.</param>
    /// <param name="patient">True: one answer is due.</param>
    public Exchange Open(RequestHead head, PooledFrame? only, bool patient)
    {
        var activity = CallActivity.Start(address, ref head);
        var stream = new Http2Stream(this, head, only, patient, activity);
        Http2Connection? connection;
        lock (Gate)
        {
            Start(stream);
            connection = stream.Connection;
        }

        connection?.Flush();
        return stream;
    }

    /// <summary>Under the gate.</summary>
    public void Start(Http2Stream stream)
    {
        if (disposed.IsCancellationRequested)
        {
            stream.Close(new ObjectDisposedException(nameof(GrpcChannel)));
        }
        else if (!TryStart(stream))
        {
            waiting.Enqueue(stream);
            Connect();
        }
    }

    /// <summary>Under the gate. There may be room for a stream that waits.</summary>
    public void StartWaiting()
    {
        while (waiting.TryPeek(out var stream) && TryStart(stream))
        {
            waiting.Dequeue();
            stream.Connection?.FlushLater();
        }
    }

    /// <summary>Under the gate. A new connection can be used.</summary>
    /// <param name="mayHaveMore">False: it takes no streams as yet, and another one would not either.</param>
    public void Greet(bool mayHaveMore)
    {
        connecting = false;
        StartWaiting();
        if (waiting.Count > 0 && mayHaveMore)
        {
            Connect();
        }
    }

    /// <summary>Under the gate. There will be no new connection.</summary>
    public void Fail(Func<Exception> why)
    {
        connecting = false;
        while (waiting.TryDequeue(out var stream))
        {
            stream.Close(why());
        }
    }

    /// <summary>Under the gate. It is closed.</summary>
    public void Remove(Http2Connection connection) => open.Remove(connection);

    public void Dispose()
    {
        lock (Gate)
        {
            disposed.Cancel();
            while (waiting.TryDequeue(out var stream))
            {
                stream.Close(new ObjectDisposedException(nameof(GrpcChannel)));
            }

            foreach (var connection in open.ToList())
            {
                connection.Close(() => new ObjectDisposedException(nameof(GrpcChannel)));
            }
        }
    }

    private bool TryStart(Http2Stream stream)
    {
        foreach (var connection in open)
        {
            if (connection.TryStart(stream))
            {
                return true;
            }
        }

        return stream.IsClosed;
    }

    private void Connect()
    {
        if (!connecting)
        {
            connecting = true;
            ThreadPool.UnsafeQueueUserWorkItem(static connections => _ = connections.ConnectAsync(), this, preferLocal: false);
        }
    }

    private async Task ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address.IdnHost, address.Port, disposed.Token).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            socket.Dispose();
            lock (Gate)
            {
                Fail(() => new HttpRequestException(ErrorOf(e), e.Message, e));
            }

            return;
        }

        var connection = new Http2Connection(this, socket);
        lock (Gate)
        {
            if (disposed.IsCancellationRequested)
            {
                socket.Dispose();
                return;
            }

            open.Add(connection);
        }

        connection.Flush();
        connection.Receive();
    }

    private static HttpRequestError ErrorOf(Exception e) =>
        e is SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.TryAgain or SocketError.NoData }
            ? HttpRequestError.NameResolutionError
            : HttpRequestError.ConnectionError;
}
