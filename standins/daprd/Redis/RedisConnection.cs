using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;

namespace Daprd.Redis;

/// <summary>
/// One connection with pipelining: replies come in the order of the commands. Commands that are sent during a write are combined in
/// the next one.
/// </summary>
internal sealed class RedisConnection : IAsyncDisposable
{
    private readonly Stream stream;
    private readonly RedisReplyReader replies;
    private readonly Queue<IPending> pending = new();
    private readonly Lock gate = new();
    private ArrayBufferWriter<byte> filling = new(4096);
    private ArrayBufferWriter<byte> sending = new(4096);
    private readonly TimeSpan commandTimeout;
    private readonly Timer? watch;
    private Exception? broken;
    private bool writing;

    private RedisConnection(Stream stream, TimeSpan commandTimeout)
    {
        this.stream = stream;
        replies = new RedisReplyReader(PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16 * 1024)));
        this.commandTimeout = commandTimeout;
        if (commandTimeout != Timeout.InfiniteTimeSpan) watch = new Timer(_ => Watch(), null, commandTimeout / 4, commandTimeout / 4);
        _ = ReadAsync();
    }

    public bool IsBroken => Volatile.Read(ref broken) is not null;

    /// <param name="commandTimeout">A command without a reply after this time, or up to a quarter more, breaks the connection. May be infinite.</param>
    public static async Task<RedisConnection> OpenAsync(RedisAddress address, TimeSpan commandTimeout, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        RedisConnection? connection = null;
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, ct);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (address.Tls) stream = await SecureAsync(stream, address, ct);
            connection = new RedisConnection(stream, commandTimeout);
            await connection.AuthenticateAsync(address);
            return connection;
        }
        catch (Exception failure) when (failure is SocketException or IOException or RedisUnreachableException)
        {
            socket.Dispose();
            throw new RedisUnreachableException($"no Redis answers at {address}: {failure.Message}", failure);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends one command. The reply may be an error reply; throws <see cref="RedisUnreachableException"/> if there is no reply.</summary>
    public Task<RedisReply> SendAsync(params ReadOnlySpan<RedisArgument> command)
    {
        var one = new One();
        bool alone;
        lock (gate)
        {
            if (this.broken is { } broken) return Task.FromException<RedisReply>(Unreachable(broken));
            RedisCommand.Write(filling, command);
            pending.Enqueue(one);
            if (writing) return one.Task;
            writing = true;
            alone = pending.Count == 1;
        }

        _ = WriteAsync(alone);
        return one.Task;
    }

    /// <summary>Sends commands contiguously. Completes with the last reply; fails if a reply is missing.</summary>
    /// <param name="replies">Receives the replies in order.</param>
    public Task SendAllAsync(ReadOnlyMemory<RedisArgument[]> commands, Memory<RedisReply?> replies)
    {
        if (commands.IsEmpty) return Task.CompletedTask;
        var all = new Several(replies);
        lock (gate)
        {
            if (this.broken is { } broken) return Task.FromException(Unreachable(broken));
            foreach (var command in commands.Span) RedisCommand.Write(filling, command);
            pending.Enqueue(all);
            if (writing) return all.Task;
            writing = true;
        }

        _ = WriteAsync(alone: true);
        return all.Task;
    }

    public async ValueTask DisposeAsync()
    {
        Break(new ObjectDisposedException(nameof(RedisConnection)));
        await stream.DisposeAsync();
    }

    private static async Task<Stream> SecureAsync(Stream plain, RedisAddress address, CancellationToken ct)
    {
        var secure = new SslStream(plain);
        var options = new SslClientAuthenticationOptions { TargetHost = address.Host };
#pragma warning disable CA5359 // The component asks for this with insecureSkipTLSVerify.
        if (address.TrustAnyCertificate) options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        await secure.AuthenticateAsClientAsync(options, ct);
        return secure;
    }

    private async Task AuthenticateAsync(RedisAddress address)
    {
        if (address.Password.Length > 0)
        {
            var reply = address.User.Length > 0
                ? await SendAsync("AUTH", address.User, address.Password)
                : await SendAsync("AUTH", address.Password);
            reply.OrThrow();
        }

        if (address.Database != 0) (await SendAsync("SELECT", address.Database)).OrThrow();
    }

    private async Task WriteAsync(bool alone)
    {
        // While commands are pending, more are likely to follow: let them join this write.
        if (!alone) await Task.Yield();
        try
        {
            while (true)
            {
                lock (gate)
                {
                    if (filling.WrittenCount == 0 || broken is not null)
                    {
                        writing = false;
                        return;
                    }

                    (filling, sending) = (sending, filling);
                }

                await stream.WriteAsync(sending.WrittenMemory);
                sending.ResetWrittenCount();
            }
        }
        catch (Exception failure)
        {
            Break(failure);
        }
    }

    private async Task ReadAsync()
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                var reply = await replies.ReadAsync(CancellationToken.None);
                IPending oldest;
                lock (gate)
                {
                    oldest = pending.Peek();
                    if (oldest.Left == 1) pending.Dequeue();
                }

                oldest.Answer(reply);
            }
        }
        catch (Exception failure)
        {
            Break(failure);
        }
    }

    /// <summary>Replies come in order: if the oldest command is not late, none is.</summary>
    private void Watch()
    {
        lock (gate)
        {
            if (!pending.TryPeek(out var oldest) || Stopwatch.GetElapsedTime(oldest.SentAt) < commandTimeout) return;
        }

        Break(new TimeoutException($"no reply within {commandTimeout.TotalSeconds} s"));
    }

    private void Break(Exception failure)
    {
        IPending[] unanswered;
        lock (gate)
        {
            if (broken is not null) return;
            broken = failure;
            unanswered = [.. pending];
            pending.Clear();
        }

        watch?.Dispose();
        foreach (var command in unanswered) command.Fail(Unreachable(failure));
        stream.Dispose();
    }

    private static RedisUnreachableException Unreachable(Exception cause) => new($"the connection to Redis broke: {cause.Message}", cause);

    /// <summary>Waits for replies. Continuations run inside the reading loop: they are short, and a thread switch costs more.</summary>
    private interface IPending
    {
        long SentAt { get; }

        /// <summary>Number of missing replies.</summary>
        int Left { get; }

        void Answer(RedisReply reply);

        void Fail(Exception failure);
    }

    private sealed class One : TaskCompletionSource<RedisReply>, IPending
    {
        public long SentAt { get; } = Stopwatch.GetTimestamp();

        public int Left => 1;

        public void Answer(RedisReply reply) => SetResult(reply);

        public void Fail(Exception failure) => SetException(failure);
    }

    private sealed class Several(Memory<RedisReply?> replies) : TaskCompletionSource, IPending
    {
        private int answered;

        public long SentAt { get; } = Stopwatch.GetTimestamp();

        public int Left => replies.Length - answered;

        public void Answer(RedisReply reply)
        {
            replies.Span[answered++] = reply;
            if (answered == replies.Length) SetResult();
        }

        public void Fail(Exception failure) => SetException(failure);
    }
}
