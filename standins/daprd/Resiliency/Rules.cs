namespace Daprd.Resiliency;

/// <param name="First">The delay of a constant retry. An exponential retry ignores it and starts with half a second.</param>
/// <param name="MaxRetries">-1: no limit, except that an exponential retry ends after 15 minutes.</param>
/// <param name="GrpcCodes">gRPC codes to retry; null: all. Failures without a code are always retried.</param>
internal sealed record RetryRule(
    bool Exponential,
    TimeSpan First,
    TimeSpan MaxInterval,
    int MaxRetries,
    List<(int First, int Last)>? GrpcCodes)
{
    public static readonly TimeSpan ExponentialLimit = TimeSpan.FromMinutes(15);

    public bool IsRetryable(int? grpcCode) =>
        grpcCode is not { } code || GrpcCodes is null || GrpcCodes.Any(r => code >= r.First && code <= r.Last);

    /// <summary>The delay before a retry, counted from 0.</summary>
    public TimeSpan Delay(int retry, Random random)
    {
        if (!Exponential) return First;
        // The first delay is not limited by MaxInterval.
        var middle = retry == 0 ? 0.5 : Math.Min(0.5 * Math.Pow(1.5, retry), MaxInterval.TotalSeconds);
        return TimeSpan.FromSeconds(middle * (0.5 + random.NextDouble()));
    }
}

/// <summary>The policy names of a target; null: none.</summary>
internal sealed record PolicyNames(string? Timeout, string? Retry)
{
    public static readonly PolicyNames None = new(null, null);
}
