using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Conformance;

/// <summary>Publishing, and looking at what was published, in the short words of a test.</summary>
internal static class PubSubCalls
{
    public const string Json = "application/json";

    public static Task PublishAsync(
        this DaprService.DaprClient dapr, string topic, string data, string contentType = Json, Metadata? headers = null, params (string Name, string Value)[] metadata) =>
        dapr.PublishToAsync("pubsub", topic, data, contentType, headers, metadata);

    public static async Task PublishToAsync(
        this DaprService.DaprClient dapr, string pubsub, string topic, string data, string contentType, Metadata? headers, (string Name, string Value)[] metadata)
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

    /// <summary>How many messages of the topic the group has read and not acknowledged.</summary>
    /// <remarks>None where nobody has subscribed yet.</remarks>
    public static async Task<int> PendingAsync(this IDatabase redis, string topic, string group) =>
        await redis.KeyExistsAsync(topic) && ((RedisResult[])(await redis.ExecuteAsync("XINFO", "GROUPS", topic))!).Length > 0
            ? (int)((RedisResult[])(await redis.ExecuteAsync("XPENDING", topic, group))!)[0]
            : 0;

    /// <summary>Makes the first event of a topic, and a group that has read and acknowledged it. Its id in the stream.</summary>
    public static async Task<string> AddReadAsync(this IDatabase redis, string topic, string group)
    {
        var id = (string)(await redis.ExecuteAsync("XADD", topic, "*", "data", """{"id":"left","datacontenttype":"application/json","data":1}"""))!;
        await redis.ExecuteAsync("XGROUP", "CREATE", topic, group, id);
        return id;
    }

    /// <summary>Makes it look as if the group had read the event so long ago and never acknowledged it.</summary>
    public static async Task LeaveAsync(this IDatabase redis, string topic, string group, string id, TimeSpan idle) =>
        await redis.ExecuteAsync("XCLAIM", topic, group, group, 0, id, "IDLE", (long)idle.TotalMilliseconds, "FORCE");

    /// <summary>Completes when the group has read everything that is in the stream, and acknowledged it.</summary>
    public static async Task AllAcknowledgedAsync(this IDatabase redis, string topic, string group)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        // In this order: what is read after one has looked for pending messages is pending then.
        while (await redis.LastReadAsync(topic, group) != await redis.LastAsync(topic) || await redis.PendingAsync(topic, group) > 0) limit.Token.ThrowIfCancellationRequested();
    }

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
}
