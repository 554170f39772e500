using Grpc.Core;

namespace Integration.Chaos;

/// <summary>Calls as a client does who wants an answer: the same request again for as long as nobody can say what became of it.</summary>
/// <param name="giveUp">Nobody waits for ever.</param>
internal sealed class RetryingClient(CancellationToken giveUp)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(4);

    private int again;

    /// <summary>How many calls were made again.</summary>
    public int Again => again;

    /// <exception cref="RpcException">An answer that another try would not change.</exception>
    public async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await call(new(deadline: DateTime.UtcNow + CallTimeout, cancellationToken: giveUp));
            }
            catch (RpcException unknown) when (unknown.StatusCode is StatusCode.Unavailable or StatusCode.Aborted or StatusCode.DeadlineExceeded)
            {
                Interlocked.Increment(ref again);
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * Math.Min(50 << Math.Min(tries, 4), 500)), giveUp);
            }
        }
    }
}
