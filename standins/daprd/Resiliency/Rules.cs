namespace Daprd.Resiliency;

/// <param name="First">The first delay of an exponential retry is half a second whatever this says; a constant one waits this long.</param>
/// <param name="MaxRetries">-1 never gives up, except that an exponential retry ends after 15 minutes.</param>
/// <param name="GrpcCodes">Which gRPC codes are worth another attempt; null means all. Failures without a code always are.</param>
internal sealed record RetryRule(
    bool Exponential,
    TimeSpan First,
    TimeSpan MaxInterval,
    int MaxRetries,
    List<(int First, int Last)>? GrpcCodes)
{
    public static readonly TimeSpan ExponentialLimit = TimeSpan.FromMinutes(15);

    public bool Worth(int? grpcCode) =>
        grpcCode is not { } code || GrpcCodes is null || GrpcCodes.Any(r => code >= r.First && code <= r.Last);

    /// <summary>The pause before a retry, counted from 0.</summary>
    public TimeSpan Pause(int retry, Random random)
    {
        if (!Exponential) return First;
        // The first pause is not bounded by the longest.
        var middle = retry == 0 ? 0.5 : Math.Min(0.5 * Math.Pow(1.5, retry), MaxInterval.TotalSeconds);
        return TimeSpan.FromSeconds(middle * (0.5 + random.NextDouble()));
    }
}

/// <summary>The names a target gives; null where it gives none.</summary>
internal sealed record PolicyNames(string? Timeout, string? Retry)
{
    public static readonly PolicyNames None = new(null, null);
}
