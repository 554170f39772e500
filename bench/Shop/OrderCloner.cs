using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>Copies the records of finished orders to new ids, to enlarge the store.</summary>
internal static class OrderCloner
{
    private static readonly string[] Records =
        ["orders||orders:order:", "stock||stock:reservation:", "payments||payments:reservation:", "coupons||coupons:reservation:"];

    /// <summary>Number of orders in the store.</summary>
    public static async Task<int> CountAsync(RedisClient redis) => (await KeysAsync(redis, Records[0])).Count;

    /// <param name="times">Copies of each order, at most 20.</param>
    public static async Task CloneAsync(RedisClient redis, int times)
    {
        foreach (var record in Records)
        {
            foreach (var part in (await KeysAsync(redis, record)).Chunk(1_000))
            {
                for (var copy = 0; copy < times; copy++)
                {
                    // An id of the same length; no order id begins with a letter after f.
                    await redis.SendAllAsync(
                        [.. part.Select(key => new RedisArgument[] { "COPY", key, $"{record}{(char)('g' + copy)}{key[(record.Length + 1)..]}" })]);
                }
            }
        }
    }

    private static async Task<List<string>> KeysAsync(RedisClient redis, string prefix)
    {
        List<string> keys = [];
        var cursor = "0";
        do
        {
            var page = (await redis.SendAsync("SCAN", cursor, "MATCH", $"{prefix}*", "COUNT", 5_000)).Items;
            cursor = Encoding.UTF8.GetString(page[0].Bytes);
            keys.AddRange(page[1].Items.Select(item => Encoding.UTF8.GetString(item.Bytes)));
        }
        while (cursor != "0");
        return keys;
    }
}
