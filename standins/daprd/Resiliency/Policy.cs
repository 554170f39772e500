using Grpc.Core;

namespace Daprd.Resiliency;

/// <summary>From the inside out: a timeout for each attempt, and retries.</summary>
internal sealed class Policy(TimeSpan? timeout, RetryRule? retry, TimeProvider time)
{
    /// <summary>Runs until an attempt succeeds or the retries are used up, and then throws what the last attempt threw.</summary>
    /// <param name="attempt">Its token ends with the policy's timeout and at nothing else. It is waited for even then, so it must heed the token.</param>
    /// <param name="ct">Ends the retrying, not an attempt under way.</param>
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
                await Task.Delay(retry!.Pause(retries, Random.Shared), time, ct);
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
        && retry.Worth(failure is RpcException rpc ? (int)rpc.StatusCode : null);

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
