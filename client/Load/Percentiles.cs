namespace Shop.Load;

/// <summary>Summary of latencies in milliseconds.</summary>
/// <param name="Count">Number of samples. The others are 0 when there are none.</param>
/// <param name="P50">Median.</param>
/// <param name="P99">99th percentile.</param>
/// <param name="Max">The largest.</param>
public readonly record struct Percentiles(int Count, double P50, double P99, double Max);
