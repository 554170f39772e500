using System.Text.Json;
using System.Text.RegularExpressions;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>Short forms of publish calls and of queries of streams.</summary>
internal static partial class PubSubCalls
{
    public const string Json = "application/json";

    public static Task PublishAsync(
        this DaprService.DaprClient dapr, string topic, string data, string contentType = Json, Metadata? headers = null,
        params (string Name, string Value)[] metadata) =>
        dapr.PublishToAsync("pubsub", topic, data, contentType, headers, metadata);

    public static async Task PublishToAsync(
        this DaprService.DaprClient dapr, string pubsub, string topic, string data, string contentType, Metadata? headers,
        (string Name, string Value)[] metadata)
    {
        var request = new PublishEventRequest { PubsubName = pubsub, Topic = topic, Data = ByteString.CopyFromUtf8(data), DataContentType = contentType };
        foreach (var (name, value) in metadata) request.Metadata[name] = value;
        await dapr.PublishEventAsync(request, headers);
    }

    /// <summary>The fields of the entries of a stream.</summary>
    public static async Task<List<Dictionary<string, string>>> StreamAsync(this IDatabase redis, string topic)
    {
        var entries = (RedisResult[])(await redis.ExecuteAsync("XRANGE", topic, "-", "+"))!;
        return [.. entries.Select(entry =>
        {
            var fields = (string[])((RedisResult[])entry!)[1]!;
            return Enumerable.Range(0, fields.Length / 2).ToDictionary(i => fields[2 * i], i => fields[(2 * i) + 1]);
        })];
    }

    public static async Task<JsonElement> EnvelopeAsync(this IDatabase redis, string topic) =>
        JsonDocument.Parse(Assert.Single(await redis.StreamAsync(topic))["data"]).RootElement;

    /// <summary>The number of messages that the group has read and not acknowledged.</summary>
    /// <remarks>Zero without a consumer group.</remarks>
    public static async Task<int> PendingAsync(this IDatabase redis, string topic, string group) =>
        await redis.KeyExistsAsync(topic) && ((RedisResult[])(await redis.ExecuteAsync("XINFO", "GROUPS", topic))!).Length > 0
            ? (int)((RedisResult[])(await redis.ExecuteAsync("XPENDING", topic, group))!)[0]
            : 0;

    /// <summary>Creates the first event of a topic and a group that has read and acknowledged it. Returns its stream id.</summary>
    public static async Task<string> AddReadAsync(this IDatabase redis, string topic, string group)
    {
        var id = (string)(await redis.ExecuteAsync("XADD", topic, "*", "data", """{"id":"left","datacontenttype":"application/json","data":1}"""))!;
        await redis.ExecuteAsync("XGROUP", "CREATE", topic, group, id);
        return id;
    }

    /// <summary>Makes the event pending with this idle time, as if the group had read it and not acknowledged it.</summary>
    public static async Task MakePendingAsync(this IDatabase redis, string topic, string group, string id, TimeSpan idle) =>
        await redis.ExecuteAsync("XCLAIM", topic, group, group, 0, id, "IDLE", (long)idle.TotalMilliseconds, "FORCE");

    /// <summary>Completes when the group has read and acknowledged all entries of the stream.</summary>
    public static async Task AllAcknowledgedAsync(this IDatabase redis, string topic, string group)
    {
        // In this order, so that an entry that is read between the two queries is seen as pending.
        await Poll.UntilAsync(
            async () => await redis.LastReadAsync(topic, group) == await redis.LastAsync(topic) && await redis.PendingAsync(topic, group) == 0);
    }

    /// <summary>How often Redis has executed the command since its start.</summary>
    public static async Task<int> CallsAsync(this IDatabase redis, string command) =>
        CommandCalls().Matches((string)(await redis.ExecuteAsync("INFO", "commandstats"))!)
            .FirstOrDefault(found => found.Groups[1].Value == command) is { } found
            ? int.Parse(found.Groups[2].Value)
            : 0;

    private static async Task<string?> LastReadAsync(this IDatabase redis, string topic, string group)
    {
        var groups = ((RedisResult[])(await redis.ExecuteAsync("XINFO", "GROUPS", topic))!).Select(one => (RedisResult[])one!);
        var fields = groups.Single(one => (string?)one[Array.FindIndex(one, field => (string?)field == "name") + 1] == group);
        return (string?)fields[Array.FindIndex(fields, field => (string?)field == "last-delivered-id") + 1];
    }

    private static async Task<string?> LastAsync(this IDatabase redis, string topic)
    {
        var last = (RedisResult[])(await redis.ExecuteAsync("XREVRANGE", topic, "+", "-", "COUNT", 1))!;
        return last.Length == 0 ? "0-0" : (string?)((RedisResult[])last[0]!)[0];
    }

    [GeneratedRegex(@"cmdstat_(\w+):calls=(\d+)")]
    private static partial Regex CommandCalls();
}
