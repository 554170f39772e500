using Grpc.Core;

namespace Daprd.Resiliency;

/// <summary>From the inside out: a timeout for each attempt, a circuit breaker, and retries.</summary>
internal sealed class Policy(TimeSpan? timeout, RetryRule? retry, CircuitBreaker? breaker, TimeProvider time)
{
    public static readonly Policy None = new(null, null, null, TimeProvider.System);

    /// <summary>Whether an attempt may have to be made again.</summary>
    public bool Retries => retry is not null;

    public bool IsNone => timeout is null && retry is null && breaker is null;

    /// <summary>Runs until an attempt succeeds or the retries are used up, and then throws what the last attempt threw.</summary>
    /// <param name="attempt">Its token ends with the policy's timeout and at nothing else. It is waited for even then, so it must heed the token.</param>
    /// <param name="stop">Ends the retrying, not an attempt under way.</param>
    /// <param name="final">Says which failures another attempt cannot cure.</param>
    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken stop, Func<Exception, bool>? final = null)
    {
        if (IsNone) return await attempt(CancellationToken.None);
        var started = time.GetTimestamp();
        for (var retries = 0; ; retries++)
        {
            try
            {
                return await OnceAsync(attempt);
            }
            catch (Exception failure) when (MayRetry(failure, retries, started, stop) && final?.Invoke(failure) != true)
            {
                await Task.Delay(retry!.Pause(retries, Random.Shared), time, stop);
            }
        }
    }

    public Task RunAsync(Func<CancellationToken, Task> attempt, CancellationToken stop, Func<Exception, bool>? final = null) =>
        RunAsync(
            async cancel =>
            {
                await attempt(cancel);
                return true;
            },
            stop,
            final);

    private bool MayRetry(Exception failure, int retries, long started, CancellationToken stop) =>
        retry is not null
        && !stop.IsCancellationRequested
        && failure is not CircuitOpenException
        && (retry.MaxRetries < 0 || retries < retry.MaxRetries)
        && !(retry.Exponential && time.GetElapsedTime(started) > RetryRule.ExponentialLimit)
        && retry.Worth(failure is RpcException rpc ? (int)rpc.StatusCode : null);

    private async Task<T> OnceAsync<T>(Func<CancellationToken, Task<T>> attempt)
    {
        if (breaker is null) return await TimedAsync(attempt);
        var generation = breaker.Enter();
        try
        {
            var result = await TimedAsync(attempt);
            breaker.Record(generation, success: true);
            return result;
        }
        catch
        {
            breaker.Record(generation, success: false);
            throw;
        }
    }

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
