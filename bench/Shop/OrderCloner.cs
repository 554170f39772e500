using StackExchange.Redis;

namespace Bench;

/// <summary>Copies the records of finished orders to new ids, to enlarge the store.</summary>
internal static class OrderCloner
{
    private static readonly string[] Records =
        ["orders||orders:order:", "stock||stock:reservation:", "payments||payments:reservation:", "coupons||coupons:reservation:"];

    /// <summary>Number of orders in the store.</summary>
    public static async Task<int> CountAsync(IDatabase redis) => (await KeysAsync(redis, Records[0])).Count;

    /// <param name="times">Copies of each order, at most 20.</param>
    public static async Task CloneAsync(IDatabase redis, int times)
    {
        foreach (var record in Records)
        {
            foreach (var part in (await KeysAsync(redis, record)).Chunk(1_000))
            {
                for (var copy = 0; copy < times; copy++)
                {
                    // An id of the same length; no order id begins with a letter after f.
                    await Task.WhenAll(part.Select(key => redis.ExecuteAsync("COPY", key, $"{record}{(char)('g' + copy)}{key[(record.Length + 1)..]}")));
                }
            }
        }
    }

    private static async Task<List<string>> KeysAsync(IDatabase redis, string prefix)
    {
        List<string> keys = [];
        var cursor = "0";
        do
        {
            var page = await redis.ExecuteAsync("SCAN", cursor, "MATCH", $"{prefix}*", "COUNT", 5_000);
            cursor = (string)page[0]!;
            keys.AddRange((string[])page[1]!);
        }
        while (cursor != "0");
        return keys;
    }
}
