using Grpc.Core;

namespace Daprd.Resiliency;

/// <summary>A timeout per attempt inside a retry rule.</summary>
internal sealed class Policy(TimeSpan? timeout, RetryRule? retry, TimeProvider time)
{
    /// <summary>Runs attempts until one succeeds; throws the last exception when the retries are exhausted.</summary>
    /// <param name="attempt">Its token is cancelled only by the policy's timeout. It is awaited even then, so it must observe the token.</param>
    /// <param name="ct">Stops the retries; does not cancel the current attempt.</param>
    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken ct)
    {
        var started = time.GetTimestamp();
        for (var retries = 0; ; retries++)
        {
            try
            {
                return await TimedAsync(attempt);
            }
            catch (Exception failure) when (MayRetry(failure, retries, started, ct))
            {
                await Task.Delay(retry!.Delay(retries, Random.Shared), time, ct);
            }
        }
    }

    public Task RunAsync(Func<CancellationToken, Task> attempt, CancellationToken ct) =>
        RunAsync(
            async cancel =>
            {
                await attempt(cancel);
                return true;
            },
            ct);

    private bool MayRetry(Exception failure, int retries, long started, CancellationToken ct) =>
        retry is not null
        && !ct.IsCancellationRequested
        && (retry.MaxRetries < 0 || retries < retry.MaxRetries)
        && !(retry.Exponential && time.GetElapsedTime(started) > RetryRule.ExponentialLimit)
        && retry.IsRetryable(failure is RpcException rpc ? (int)rpc.StatusCode : null);

    private async Task<T> TimedAsync<T>(Func<CancellationToken, Task<T>> attempt)
    {
        if (timeout is not { Ticks: > 0 } limit) return await attempt(CancellationToken.None);
        using var timer = new CancellationTokenSource(limit, time);
        try
        {
            return await attempt(timer.Token);
        }
        catch (Exception) when (timer.IsCancellationRequested)
        {
            throw new TimeoutException("context deadline exceeded");
        }
    }
}
