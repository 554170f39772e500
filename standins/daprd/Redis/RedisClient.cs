namespace Daprd.Redis;

/// <summary>
/// A connection that is opened when it is needed and again after it broke. Like daprd's client it sends a command again when
/// the network failed, up to three times, also when the first copy may have arrived; and likewise when Redis is still loading its data.
/// </summary>
internal sealed class RedisClient(RedisAddress address) : IAsyncDisposable
{
    private const int Retries = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(8);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private Task<RedisConnection>? opening;
    private RedisConnection? connection;
    private bool disposed;

    public RedisAddress Address => address;

    /// <summary>The reply, or <see cref="RedisException"/> when Redis refuses.</summary>
    public async Task<RedisReply> SendAsync(params RedisArgument[] command)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                var reply = await (connection is { IsBroken: false } open ? open : await OpenAsync()).SendAsync(command);
                return IsLoading(reply) ? throw new RedisUnreachableException(reply.ToString()) : reply.OrThrow();
            }
            catch (RedisUnreachableException) when (attempt < Retries && !disposed)
            {
                await Task.Delay(PauseAfter(attempt));
            }
        }
    }

    /// <summary>Sends commands that have nothing to do with each other, all at once. The replies, in order; some may be errors.</summary>
    public async Task<RedisReply[]> SendAllAsync(RedisArgument[][] commands)
    {
        var replies = new RedisReply?[commands.Length];
        for (var (attempt, from) = (0, 0); ; attempt++)
        {
            try
            {
                await (connection is { IsBroken: false } open ? open : await OpenAsync()).SendAllAsync(commands.AsMemory(from), replies.AsMemory(from));
                if (replies.Any(reply => IsLoading(reply!.Value))) throw new RedisUnreachableException(replies.First(reply => IsLoading(reply!.Value))!.Value.ToString());
                return Array.ConvertAll(replies, reply => reply!.Value);
            }
            catch (RedisUnreachableException) when (attempt < Retries && !disposed)
            {
                // What has its reply is not sent again.
                while (from < replies.Length && replies[from] is { } answered && !IsLoading(answered)) from++;
                await Task.Delay(PauseAfter(attempt));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        disposed = true;
        if (this.connection is { } connection) await connection.DisposeAsync();
    }

    private static TimeSpan PauseAfter(int attempt) => FirstPause * (1 << (2 * attempt));

    private static bool IsLoading(RedisReply reply) => reply.Kind == RedisReplyKind.Error && reply.Bytes.AsSpan().StartsWith("LOADING "u8);

    /// <summary>Whoever needs a connection while one is being opened waits for the same one, and fails with it.</summary>
    private Task<RedisConnection> OpenAsync()
    {
        lock (gate)
        {
            if (connection is { IsBroken: false } open) return Task.FromResult(open);
            return this.opening is { IsCompleted: false } opening ? opening : this.opening = ConnectAsync();
        }
    }

    private async Task<RedisConnection> ConnectAsync()
    {
        if (disposed) throw new RedisUnreachableException("this client is closed");
        using var limit = new CancellationTokenSource(ConnectTimeout);
        try
        {
            return connection = await RedisConnection.OpenAsync(address, address.CommandTimeout, limit.Token);
        }
        catch (OperationCanceledException)
        {
            throw new RedisUnreachableException($"no Redis answers at {address} within {ConnectTimeout.TotalSeconds} s");
        }
    }
}
