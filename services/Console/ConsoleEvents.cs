using System.Collections.Concurrent;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Core;
using Shop.V1;

namespace ShopConsole;

/// <summary>The streams of server-sent events that the page follows.</summary>
internal sealed class ConsoleEvents(
    OrderFeed feed, LiveStats stats, OrderService.OrderServiceClient orders, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    /// <summary>Orders per event, at most. When more have changed, some are left out; the page reads its list again from time to time.</summary>
    private const int MaxOrders = 200;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(150), LinkInterval = TimeSpan.FromSeconds(1);

    /// <summary>An open order is sent again after this time, with the time that it has been waiting.</summary>
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan ReconnectionInterval = TimeSpan.FromSeconds(1);

    /// <summary>The JSON form of messages, with all fields.</summary>
    public static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    /// <summary>
    /// Streams "link" (whether Orders answers: at once, when it changes, and every second), "samples" (the statistics so far, then each new
    /// sample) and "orders" (orders that have changed).
    /// </summary>
    public async IAsyncEnumerable<SseItem<string>> StreamAll([EnumeratorCancellation] CancellationToken aborted)
    {
        using var end = LinkToShutdown(aborted);
        var changed = new ConcurrentDictionary<string, Order>();
        void Add(WatchOrdersResponse batch)
        {
            foreach (var order in batch.Orders)
            {
                if (changed.Count < MaxOrders || changed.ContainsKey(order.OrderId)) changed[order.OrderId] = order;
            }
        }
        feed.Received += Add;
        try
        {
            using var timer = new PeriodicTimer(Interval, clock);
            var (wasLive, linkSent, lastSample) = ((bool?)null, 0L, -1L);
            do
            {
                var isLive = feed.IsLive;
                if (isLive != wasLive || clock.GetElapsedTime(linkSent) >= LinkInterval)
                {
                    (wasLive, linkSent) = (isLive, clock.GetTimestamp());
                    yield return Item(JsonSerializer.Serialize(new LinkState(isLive), ConsoleJson.Default.LinkState), "link");
                }

                StatsSample[] samples = [.. stats.Samples.Where(sample => sample.At > lastSample)];
                if (samples.Length > 0) yield return Item(JsonSerializer.Serialize(samples, ConsoleJson.Default.StatsSampleArray), "samples");
                lastSample = samples.LastOrDefault()?.At ?? lastSample;

                var taken = changed.Keys.Select(id => changed.TryRemove(id, out var order) ? order : null).OfType<Order>().ToArray();
                if (taken.Length > 0) yield return Item($"[{string.Join(',', taken.Select(order => Json.Format(order)))}]", "orders");
            }
            while (await WaitAsync(timer, end.Token));
        }
        finally
        {
            feed.Received -= Add;
        }
    }

    /// <summary>
    /// Streams "order" (the order explained: at once, at every change, and at least twice a second) until nothing more will happen, then
    /// "closed". Ends without that when Orders does not answer; the page reconnects.
    /// </summary>
    /// <param name="explained">The order as it is now.</param>
    public async IAsyncEnumerable<SseItem<string>> StreamOrder(ExplainOrderResponse explained, [EnumeratorCancellation] CancellationToken aborted)
    {
        using var end = LinkToShutdown(aborted);
        var order = explained.Order.OrderId;
        using var watch = orders.WatchOrder(new() { Order = order, AfterRevision = explained.Order.Revision }, cancellationToken: end.Token);
        var change = watch.ResponseStream.MoveNext(end.Token);
        for (ExplainOrderResponse? now = explained; now is not null; now = await TryExplainAsync(order, end.Token))
        {
            yield return Item(Json.Format(now), "order");
            if (now.Order.IsClosed)
            {
                yield return Item("{}", "closed");
                yield break;
            }

            while (change.IsCompletedSuccessfully && await change && watch.ResponseStream.Current.Entry.Revision <= now.Order.Revision)
            {
                change = watch.ResponseStream.MoveNext(end.Token);
            }
            await Task.WhenAny(change, Task.Delay(RefreshInterval, clock, end.Token));
            if (change.IsFaulted || change.IsCanceled) yield break;
        }
    }

    /// <summary>Explains an order, without the recipient's data.</summary>
    /// <exception cref="RpcException">Orders has rejected the request, or does not answer.</exception>
    public async Task<ExplainOrderResponse> ExplainAsync(string order, CancellationToken ct)
    {
        var explained = await orders.ExplainOrderAsync(new() { Order = order }, Calls.Options(clock, ct));
        (explained.Order.RecipientName, explained.Order.ShippingAddress, explained.Order.ShippingPhone) = ("", "", "");
        return explained;
    }

    private static SseItem<string> Item(string json, string type) => new(json, type) { ReconnectionInterval = ReconnectionInterval };

    // An open stream would delay the stop of the process.
    private CancellationTokenSource LinkToShutdown(CancellationToken aborted) => CancellationTokenSource.CreateLinkedTokenSource(aborted, lifetime.ApplicationStopping);

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken end)
    {
        try
        {
            return await timer.WaitForNextTickAsync(end);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <returns>Null: Orders does not answer, or the stream ends.</returns>
    private async Task<ExplainOrderResponse?> TryExplainAsync(string order, CancellationToken end)
    {
        try
        {
            return await ExplainAsync(order, end);
        }
        catch (Exception fault) when (fault is RpcException or OperationCanceledException)
        {
            return null;
        }
    }
}
