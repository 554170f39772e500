namespace Daprd.Redis;

/// <summary>
/// A connection that is opened on demand and reopened after a failure. Like daprd's client, it retries a command at most three times after
/// a network failure, even if the first attempt may have reached Redis, and while Redis is loading its data.
/// </summary>
internal sealed class RedisClient(RedisAddress address) : IAsyncDisposable
{
    private const int Retries = 3;
    private static readonly TimeSpan FirstRetryDelay = TimeSpan.FromMilliseconds(8);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private Task<RedisConnection>? opening;
    private RedisConnection? connection;
    private bool disposed;

    public RedisAddress Address => address;

    /// <summary>Returns the reply; throws <see cref="RedisException"/> for an error reply.</summary>
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
                await Task.Delay(RetryDelay(attempt));
            }
        }
    }

    /// <summary>Sends independent commands in one pipeline. Returns the replies in order, including error replies.</summary>
    public async Task<RedisReply[]> SendAllAsync(RedisArgument[][] commands)
    {
        var replies = new RedisReply?[commands.Length];
        for (var (attempt, from) = (0, 0); ; attempt++)
        {
            try
            {
                await (connection is { IsBroken: false } open ? open : await OpenAsync()).SendAllAsync(commands.AsMemory(from), replies.AsMemory(from));
                if (replies.Any(reply => IsLoading(reply!.Value)))
                {
                    throw new RedisUnreachableException(replies.First(reply => IsLoading(reply!.Value))!.Value.ToString());
                }
                return Array.ConvertAll(replies, reply => reply!.Value);
            }
            catch (RedisUnreachableException) when (attempt < Retries && !disposed)
            {
                // Commands that have a reply are not sent again.
                while (from < replies.Length && replies[from] is { } answered && !IsLoading(answered)) from++;
                await Task.Delay(RetryDelay(attempt));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        disposed = true;
        if (this.connection is { } connection) await connection.DisposeAsync();
    }

    private static TimeSpan RetryDelay(int attempt) => FirstRetryDelay * (1 << (2 * attempt));

    private static bool IsLoading(RedisReply reply) => reply.Kind == RedisReplyKind.Error && reply.Bytes.AsSpan().StartsWith("LOADING "u8);

    /// <summary>Concurrent callers share one connection attempt and its failure.</summary>
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
