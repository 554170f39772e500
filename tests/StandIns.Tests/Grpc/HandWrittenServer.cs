using System.Net;
using System.Net.Sockets;
using Grpc.Net.Client;
using static StandIns.GrpcTests.Http2Frames;

namespace StandIns.GrpcTests;

/// <summary>An HTTP/2 server that answers each call with whatever frames a test wants.</summary>
internal sealed class HandWrittenServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly Func<HandWrittenCall, Task> answer;
    private readonly byte[] settings;
    private readonly List<Task> connections = [];
    private readonly List<Http2Frames> open = [];
    private readonly Task accepting;

    /// <param name="settings">What it says of itself first.</param>
    public HandWrittenServer(Func<HandWrittenCall, Task> answer, byte[]? settings = null)
    {
        this.answer = answer;
        this.settings = settings ?? [];
        listener.Start();
        Channel = GrpcChannel.ForAddress($"http://{listener.LocalEndpoint}");
        Client = new Interop.Interop.InteropClient(Channel);
        accepting = AcceptAsync();
    }

    public GrpcChannel Channel { get; }

    public Interop.Interop.InteropClient Client { get; }

    public int Connections => open.Count;

    /// <summary>Pings for which a server as strict as grpc-go's would count a strike: nothing was sent to the client since the last one.</summary>
    public int Strikes { get; private set; }

    /// <summary>Answers to pings.</summary>
    public int Pongs { get; private set; }

    /// <summary>Bytes of the longest piece in which a request came.</summary>
    public int LongestPiece { get; private set; }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        listener.Stop();
        await accepting;
        open.ForEach(frames => frames.Dispose());
        await Task.WhenAll(connections);
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var frames = await Http2Frames.AcceptAsync(await listener.AcceptSocketAsync(), settings);
                open.Add(frames);
                connections.Add(ServeAsync(frames, connections.Count + 1));
            }
        }
        catch (Exception e) when (e is SocketException or InvalidOperationException)
        {
            // Stopped, while it waited or before it did.
        }
    }

    private async Task ServeAsync(Http2Frames frames, int connection)
    {
        var quietSincePing = false;
        while (await frames.ReadAsync() is var (type, flags, stream, payload))
        {
            switch (type)
            {
                case Settings when flags != Ack:
                    await frames.WriteAsync(Settings, Ack, 0, []);
                    break;
                case Ping when flags != Ack:
                    Strikes += quietSincePing ? 1 : 0;
                    quietSincePing = true;
                    await frames.WriteAsync(Ping, Ack, 0, payload);
                    break;
                case Ping:
                    Pongs++;
                    break;
                case Data when (flags & EndStream) == 0:
                    LongestPiece = Math.Max(LongestPiece, payload.Length);
                    await frames.WriteAsync(WindowUpdate, 0, stream, Number(payload.Length));
                    await frames.WriteAsync(WindowUpdate, 0, 0, Number(payload.Length));
                    break;
                case Data:
                    LongestPiece = Math.Max(LongestPiece, payload.Length);
                    quietSincePing = false;
                    await answer(new HandWrittenCall(frames, connection, stream));
                    break;
            }
        }
    }
}

/// <summary>A request that has been received whole, and what can be done to it.</summary>
/// <param name="Connection">1 is the first connection that the server got.</param>
internal sealed record HandWrittenCall(Http2Frames Frames, int Connection, int Stream)
{
    public Task HeadersAsync() => Frames.WriteAsync(Headers, EndHeaders, Stream, Fields((":status", "200"), ("content-type", "application/grpc")));

    /// <summary>Bytes of the body, in one frame.</summary>
    public Task BodyAsync(params byte[] bytes) => Frames.WriteAsync(Data, 0, Stream, bytes);

    public Task TrailersAsync(params (string, string)[] trailers) =>
        Frames.WriteAsync(Headers, EndHeaders | EndStream, Stream, Fields(trailers));

    public async Task AnswerAsync()
    {
        await HeadersAsync();
        await BodyAsync(0, 0, 0, 0, 0);
        await TrailersAsync(("grpc-status", "0"));
    }

    public Task ResetAsync(int code) => Frames.WriteAsync(RstStream, 0, Stream, Number(code));

    /// <param name="last">The last stream that is answered.</param>
    public Task GoAwayAsync(int last, int code = 0) => Frames.WriteAsync(GoAway, 0, 0, [.. Number(last), .. Number(code)]);
}
