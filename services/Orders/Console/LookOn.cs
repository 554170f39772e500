using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Google.Protobuf;
using Grpc.Core;

namespace Orders.Console;

/// <summary>What a console is told while it is open, as server-sent events.</summary>
internal sealed class LookOn(
    OrderStore orders, OrderQueries lookup, Pulse pulse, TimeProvider clock, IHostApplicationLifetime lifetime, ILoggerFactory logs) : IDisposable
{
    /// <summary>Changes are told together, so often.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(150);

    /// <summary>So many orders are told together; of more, only some. A list that is asked for has them all.</summary>
    private const int ToldTogetherMax = 100;

    /// <summary>A browser that has lost the connection tries again after this time.</summary>
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(1);

    public static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    private readonly ILogger log = logs.CreateLogger("Orders");
    private readonly FaultLog faults = new("Consoles that follow an order", clock, logs.CreateLogger("Orders"), overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    /// <summary>beats: those so far, then each new one; orders: those that this instance has changed, without the recipient.</summary>
    public async IAsyncEnumerable<SseItem<string>> AtAllAsync([EnumeratorCancellation] CancellationToken aborted)
    {
        using var end = EndOf(aborted);
        var changed = new ConcurrentDictionary<string, Order>();
        void Append(Order? before, Order order)
        {
            if (changed.Count >= ToldTogetherMax && !changed.ContainsKey(order.Id)) return;
            changed.AddOrUpdate(order.Id, order, (_, other) => other.Timeline.Length > order.Timeline.Length ? other : order);
        }
        orders.Changed += Append;
        try
        {
            using var tick = new PeriodicTimer(Pace, clock);
            var told = 0L;
            do
            {
                Beat[] news = [.. pulse.Beats.Where(beat => beat.At > told)];
                if (news.Length > 0 || told == 0) yield return Item(JsonSerializer.Serialize(news, ConsoleJson.Default.BeatArray), "beats");
                told = Math.Max(1, news.LastOrDefault()?.At ?? told);

                var now = changed.Keys.Select(id => changed.TryRemove(id, out var order) ? order : null).OfType<Order>().ToArray();
                if (now.Length > 0) yield return Item($"[{string.Join(',', now.Select(order => Json.Format(OrderMapping.WithoutRecipient(order))))}]", "orders");
            }
            while (await NextAsync(tick, end.Token));
        }
        finally
        {
            orders.Changed -= Append;
        }
    }

    /// <summary>
    /// The order explained, without the recipient, again and again until nothing more will happen; or until it cannot be read, which ends the
    /// stream: the page comes back by itself.
    /// </summary>
    public async IAsyncEnumerable<SseItem<string>> AtAsync(string orderId, [EnumeratorCancellation] CancellationToken aborted)
    {
        using var end = EndOf(aborted);
        await using var watch = lookup.WatchAsync(orderId, end.Token).GetAsyncEnumerator(end.Token);
        for (bool? more; (more = await MoveNextAsync(watch, orderId)) != false;)
        {
            if (more is null) yield break;
            yield return Item(Explain(watch.Current), "order");
        }
        yield return Item("{}", end.IsCancellationRequested ? "stopping" : "settled");
    }

    public string Explain(Order order)
    {
        var explained = lookup.Explain(order);
        explained.Order = OrderMapping.WithoutRecipient(order);
        return Json.Format(explained);
    }

    private static SseItem<string> Item(string json, string type) => new(json, type) { ReconnectionInterval = TryAgain };

    // A stream would keep a process that is told to stop from stopping.
    private CancellationTokenSource EndOf(CancellationToken aborted) => CancellationTokenSource.CreateLinkedTokenSource(aborted, lifetime.ApplicationStopping);

    private static async Task<bool> NextAsync(PeriodicTimer tick, CancellationToken end)
    {
        try
        {
            return await tick.WaitForNextTickAsync(end);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <returns>Null: the order cannot be read.</returns>
    private async Task<bool?> MoveNextAsync(IAsyncEnumerator<Order> watch, string orderId)
    {
        try
        {
            return await watch.MoveNextAsync();
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (Exception fault) when (fault is Dapr.DaprException or RpcException)
        {
            if (faults.Begins("cut off", fault.Message)) OrderLog.ConsoleCutOff(log, orderId, fault.Message);
            return null;
        }
    }
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(Beat[]))]
[JsonSerializable(typeof(DemoWish))]
[JsonSerializable(typeof(Settings))]
internal sealed partial class ConsoleJson : JsonSerializerContext;
