using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>Memory that finished orders use in Redis.</summary>
/// <param name="BytesPerOrder">Order, claims and list entry, mean of a sample. Without the streams, whose length is bounded.</param>
/// <param name="StreamMegabytes">All streams.</param>
internal sealed record RedisSize(double BytesPerOrder, double StreamMegabytes)
{
    private const int SampleSize = 300;

    private static readonly string[] PerOrder =
        ["orders||orders:order:", "stock||stock:reservation:", "payments||payments:reservation:", "coupons||coupons:reservation:", "orders||orders:past:"];

    public static async Task<RedisSize> ReadAsync(RedisClient redis)
    {
        var (bytes, count, streams) = (PerOrder.ToDictionary(prefix => prefix, _ => 0.0), PerOrder.ToDictionary(prefix => prefix, _ => 0L), 0.0);
        var sampled = PerOrder.ToDictionary(prefix => prefix, _ => 0);
        var cursor = "0";
        do
        {
            var page = (await redis.SendAsync("SCAN", cursor, "COUNT", 1000)).Items;
            cursor = Encoding.UTF8.GetString(page[0].Bytes);
            foreach (var key in page[1].Items.Select(item => Encoding.UTF8.GetString(item.Bytes)))
            {
                if (PerOrder.FirstOrDefault(prefix => key.StartsWith(prefix, StringComparison.Ordinal)) is { } kind)
                {
                    count[kind]++;
                    if (sampled[kind]++ < SampleSize) bytes[kind] += (await redis.SendAsync("MEMORY", "USAGE", key)).Integer;
                }
                else if (!key.Contains("||", StringComparison.Ordinal) && !key.StartsWith("floor-", StringComparison.Ordinal))
                {
                    streams += (await redis.SendAsync("MEMORY", "USAGE", key)).Integer;
                }
            }
        }
        while (cursor != "0");
        var orders = Math.Max(1, count["orders||orders:order:"]);
        return new(PerOrder.Sum(kind => sampled[kind] == 0 ? 0 : bytes[kind] / Math.Min(SampleSize, sampled[kind]) * count[kind]) / orders, streams / 1e6);
    }
}
