using Polly;
using Polly.Retry;

namespace Daprd.Resiliency;

/// <summary>The retries of a failed delivery.</summary>
/// <param name="First">The delay of a constant retry. An exponential retry ignores it and starts with half a second.</param>
/// <param name="MaxRetries">-1: no limit.</param>
internal sealed record RetryRule(bool Exponential, TimeSpan First, TimeSpan MaxInterval, int MaxRetries)
{
    /// <summary>The delay before a retry, counted from 0, with a jitter of 50 %.</summary>
    public TimeSpan Delay(int retry)
    {
        if (!Exponential) return First;
        // The first delay is not limited by MaxInterval.
        var middle = retry == 0 ? 0.5 : Math.Min(0.5 * Math.Pow(1.5, retry), MaxInterval.TotalSeconds);
        return TimeSpan.FromSeconds(middle * (0.5 + Random.Shared.NextDouble()));
    }
}

/// <summary>A timeout for each attempt, and retries.</summary>
internal sealed class DeliveryPolicy
{
    /// <summary>The range of a timeout.</summary>
    public static readonly TimeSpan TimeoutMin = TimeSpan.FromMilliseconds(10), TimeoutMax = TimeSpan.FromDays(1);

    public static readonly DeliveryPolicy None = new(TimeSpan.Zero, null);

    // Two pipelines: the end of a subscription cancels the retries, but not the current attempt.
    private readonly ResiliencePipeline retries;
    private readonly ResiliencePipeline attempts;

    /// <param name="timeout">Zero: none.</param>
    /// <param name="retry">Null: the first attempt is the last.</param>
    public DeliveryPolicy(TimeSpan timeout, RetryRule? retry)
    {
        attempts = timeout > TimeSpan.Zero ? new ResiliencePipelineBuilder().AddTimeout(timeout).Build() : ResiliencePipeline.Empty;
        retries = retry is null or { MaxRetries: 0 } ? ResiliencePipeline.Empty : new ResiliencePipelineBuilder().AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = retry.MaxRetries < 0 ? int.MaxValue : retry.MaxRetries,
            ShouldHandle = new PredicateBuilder().Handle<Exception>(),
            DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(retry.Delay(arguments.AttemptNumber)),
        }).Build();
    }

    /// <summary>Runs attempts until one succeeds; throws the last exception when the retries are exhausted.</summary>
    /// <param name="attempt">Its token is cancelled only by the timeout.</param>
    /// <param name="ct">Stops the retries; does not cancel the current attempt.</param>
    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken ct) => await retries.ExecuteAsync(
        async _ => await attempts.ExecuteAsync(async limit => await attempt(limit), CancellationToken.None), ct);
}
