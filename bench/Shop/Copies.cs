using System.Text;
using Daprd.Redis;

namespace Bench;

/// <summary>Finished orders many times over: the records of each are copied to other ids, as if so many had been placed before.</summary>
internal static class Copies
{
    private static readonly string[] Records = ["orders||order:", "stock||claim:", "payments||claim:", "coupons||claim:"];

    /// <summary>Orders in the store.</summary>
    public static async Task<int> CountAsync(RedisClient redis) => (await KeysAsync(redis, Records[0])).Count;

    public static async Task MakeAsync(RedisClient redis, int times)
    {
        foreach (var record in Records)
        {
            foreach (var part in (await KeysAsync(redis, record)).Chunk(1_000))
            {
                for (var copy = 0; copy < times; copy++)
                {
                    // An id that no order has, with as many letters.
                    await redis.SendAllAsync([.. part.Select(key => new RedisArgument[] { "COPY", key, $"{record}{(char)('g' + copy)}{key[(record.Length + 1)..]}" })]);
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
