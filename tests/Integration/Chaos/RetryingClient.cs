using Grpc.Core;

namespace Integration.Chaos;

/// <summary>Retries calls whose outcome is unknown, until they are answered.</summary>
/// <param name="ct">Ends all retries.</param>
internal sealed class RetryingClient(CancellationToken ct)
{
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(4);

    private int retries;

    /// <summary>Number of retries of all calls.</summary>
    public int Retries => retries;

    /// <summary>Retries on UNAVAILABLE, ABORTED, DEADLINE_EXCEEDED and a lost connection, with backoff and jitter.</summary>
    /// <exception cref="RpcException">Any other status.</exception>
    public async Task<T> CallAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await call(new(deadline: DateTime.UtcNow + CallTimeout, cancellationToken: ct));
            }
            // INTERNAL with an exception is the client of .NET itself, when the server closes the connection (GOAWAY) as a call begins.
            catch (RpcException unknown) when (unknown.StatusCode is StatusCode.Unavailable or StatusCode.Aborted or StatusCode.DeadlineExceeded
                || unknown is { StatusCode: StatusCode.Internal, Status.DebugException: HttpRequestException })
            {
                Interlocked.Increment(ref retries);
                await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * Math.Min(50 << Math.Min(tries, 4), 500)), ct);
            }
        }
    }
}
