using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;

namespace Daprd.Redis;

/// <summary>
/// One connection, on which many commands may be under way: they are answered in the order they were sent.
/// Commands sent while another write is going out travel together in the next one.
/// </summary>
internal sealed class RedisConnection : IAsyncDisposable
{
    private readonly Stream _stream;
    private readonly RedisReplyReader _replies;
    private readonly Queue<IPending> _pending = new();
    private readonly Lock _gate = new();
    private ArrayBufferWriter<byte> _filling = new(4096);
    private ArrayBufferWriter<byte> _sending = new(4096);
    private readonly TimeSpan _patience;
    private readonly Timer? _watch;
    private Exception? _broken;
    private bool _writing;

    private RedisConnection(Stream stream, TimeSpan patience)
    {
        _stream = stream;
        _replies = new RedisReplyReader(PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 16 * 1024)));
        _patience = patience;
        if (patience != Timeout.InfiniteTimeSpan) _watch = new Timer(_ => Watch(), null, patience / 4, patience / 4);
        _ = ReadAsync();
    }

    public bool IsBroken => Volatile.Read(ref _broken) is not null;

    /// <param name="patience">A command that has no reply after this time, or a quarter more, breaks the connection. May be infinite.</param>
    public static async Task<RedisConnection> OpenAsync(RedisAddress address, TimeSpan patience, CancellationToken stop)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        RedisConnection? connection = null;
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, stop);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (address.Tls) stream = await SecureAsync(stream, address, stop);
            connection = new RedisConnection(stream, patience);
            await connection.IntroduceAsync(address);
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

    /// <summary>Sends one command. The reply may be an error; <see cref="RedisUnreachableException"/> means there was none.</summary>
    public Task<RedisReply> SendAsync(params ReadOnlySpan<RedisArgument> command)
    {
        var one = new One();
        bool alone;
        lock (_gate)
        {
            if (_broken is { } broken) return Task.FromException<RedisReply>(Unreachable(broken));
            RedisCommand.Write(_filling, command);
            _pending.Enqueue(one);
            if (_writing) return one.Task;
            _writing = true;
            alone = _pending.Count == 1;
        }

        _ = WriteAsync(alone);
        return one.Task;
    }

    /// <summary>Sends commands with nothing in between, and completes when the last has its reply, or with an error when one will have none.</summary>
    /// <param name="replies">Gets the replies, in order.</param>
    public Task SendAllAsync(ReadOnlyMemory<RedisArgument[]> commands, Memory<RedisReply?> replies)
    {
        if (commands.IsEmpty) return Task.CompletedTask;
        var all = new Several(replies);
        lock (_gate)
        {
            if (_broken is { } broken) return Task.FromException(Unreachable(broken));
            foreach (var command in commands.Span) RedisCommand.Write(_filling, command);
            _pending.Enqueue(all);
            if (_writing) return all.Task;
            _writing = true;
        }

        _ = WriteAsync(alone: true);
        return all.Task;
    }

    public async ValueTask DisposeAsync()
    {
        Break(new ObjectDisposedException(nameof(RedisConnection)));
        await _stream.DisposeAsync();
    }

    private static async Task<Stream> SecureAsync(Stream plain, RedisAddress address, CancellationToken stop)
    {
        var secure = new SslStream(plain);
        var options = new SslClientAuthenticationOptions { TargetHost = address.Host };
        if (address.TrustAnyCertificate) options.RemoteCertificateValidationCallback = (_, _, _, _) => true;
        await secure.AuthenticateAsClientAsync(options, stop);
        return secure;
    }

    private async Task IntroduceAsync(RedisAddress address)
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
        // Where commands are under way already more are about to come: they go out together.
        if (!alone) await Task.Yield();
        try
        {
            while (true)
            {
                lock (_gate)
                {
                    if (_filling.WrittenCount == 0 || _broken is not null)
                    {
                        _writing = false;
                        return;
                    }

                    (_filling, _sending) = (_sending, _filling);
                }

                await _stream.WriteAsync(_sending.WrittenMemory);
                _sending.ResetWrittenCount();
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
                var reply = await _replies.ReadAsync(CancellationToken.None);
                IPending oldest;
                lock (_gate)
                {
                    oldest = _pending.Peek();
                    if (oldest.Left == 1) _pending.Dequeue();
                }

                oldest.Answer(reply);
            }
        }
        catch (Exception failure)
        {
            Break(failure);
        }
    }

    /// <summary>Replies come in order: when the oldest command is not late, none is.</summary>
    private void Watch()
    {
        lock (_gate)
        {
            if (!_pending.TryPeek(out var oldest) || Stopwatch.GetElapsedTime(oldest.SentAt) < _patience) return;
        }

        Break(new TimeoutException($"no reply within {_patience.TotalSeconds} s"));
    }

    private void Break(Exception failure)
    {
        IPending[] unanswered;
        lock (_gate)
        {
            if (_broken is not null) return;
            _broken = failure;
            unanswered = [.. _pending];
            _pending.Clear();
        }

        _watch?.Dispose();
        foreach (var pending in unanswered) pending.Fail(Unreachable(failure));
        _stream.Dispose();
    }

    private static RedisUnreachableException Unreachable(Exception cause) => new($"the connection to Redis broke: {cause.Message}", cause);

    /// <summary>What waits for replies. Who waited goes on in the reading loop: that is short, and waking another thread for it costs more.</summary>
    private interface IPending
    {
        long SentAt { get; }

        /// <summary>How many replies it still waits for.</summary>
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
        private int _answered;

        public long SentAt { get; } = Stopwatch.GetTimestamp();

        public int Left => replies.Length - _answered;

        public void Answer(RedisReply reply)
        {
            replies.Span[_answered++] = reply;
            if (_answered == replies.Length) SetResult();
        }

        public void Fail(Exception failure) => SetException(failure);
    }
}
