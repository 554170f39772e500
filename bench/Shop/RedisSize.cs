using StackExchange.Redis;

namespace Bench;

/// <summary>Memory that finished orders use in Redis.</summary>
/// <param name="BytesPerOrder">Order, reservations and list entry, mean of a sample. Without the streams, whose length is bounded.</param>
/// <param name="StreamMegabytes">All streams.</param>
internal sealed record RedisSize(double BytesPerOrder, double StreamMegabytes)
{
    private const int SampleSize = 300;

    private static readonly string[] PerOrder =
        ["orders||orders:order:", "stock||stock:reservation:", "payments||payments:reservation:", "coupons||coupons:reservation:", "orders||orders:past:"];

    public static async Task<RedisSize> ReadAsync(IDatabase redis)
    {
        var (bytes, count, streams) = (PerOrder.ToDictionary(prefix => prefix, _ => 0.0), PerOrder.ToDictionary(prefix => prefix, _ => 0L), 0.0);
        var sampled = PerOrder.ToDictionary(prefix => prefix, _ => 0);
        var cursor = "0";
        do
        {
            var page = await redis.ExecuteAsync("SCAN", cursor, "COUNT", 1000);
            cursor = (string)page[0]!;
            foreach (var key in (string[])page[1]!)
            {
                if (PerOrder.FirstOrDefault(prefix => key.StartsWith(prefix, StringComparison.Ordinal)) is { } kind)
                {
                    count[kind]++;
                    if (sampled[kind]++ < SampleSize) bytes[kind] += (long)await redis.ExecuteAsync("MEMORY", "USAGE", key);
                }
                else if (!key.Contains("||", StringComparison.Ordinal) && !key.StartsWith("floor-", StringComparison.Ordinal))
                {
                    streams += (long)await redis.ExecuteAsync("MEMORY", "USAGE", key);
                }
            }
        }
        while (cursor != "0");
        var orders = Math.Max(1, count["orders||orders:order:"]);
        return new(PerOrder.Sum(kind => sampled[kind] == 0 ? 0 : bytes[kind] / Math.Min(SampleSize, sampled[kind]) * count[kind]) / orders, streams / 1e6);
    }
}
