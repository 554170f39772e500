using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Shop.V1;

namespace Shop.Load;

/// <summary>Places orders in a closed loop: each of <see cref="LoadPlan.InFlight"/> customers waits for its order to end before it places the next.</summary>
/// <param name="catalog">Its products and accounts must exist.</param>
/// <param name="stats">Receives the outcomes.</param>
public sealed class LoadGenerator(ShopClients shop, TestCatalog catalog, LoadPlan plan, LoadStats stats)
{
    /// <summary>Longer than an order takes: twice its deadline, and the sweeps that follow.</summary>
    private static readonly TimeSpan EndTimeout = TimeSpan.FromSeconds(150);

    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    /// <summary>Places orders until a limit of the plan is reached and all placed orders have ended. Errors of calls are counted, not thrown.</summary>
    /// <param name="cancellationToken">Ends the load without an exception; orders in flight stay open in the statistics.</param>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, plan.InFlight).Select(_ => RunCustomerAsync(cancellationToken)));

    private async Task RunCustomerAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested && stats.Elapsed < plan.Duration && stats.Begin(plan.Orders) is { } number)
        {
            try
            {
                await PlaceAsync(number, cancellationToken);
            }
            catch (Exception) when (cancellationToken.IsCancellationRequested)
            {
                // The order stays open.
            }
            catch (RpcException fault)
            {
                stats.AddNotPlaced(JsonNamingPolicy.SnakeCaseUpper.ConvertName(fault.StatusCode.ToString()));
                await Task.Delay(RetryDelay, CancellationToken.None);
            }
        }
    }

    private async Task PlaceAsync(int number, CancellationToken cancellationToken)
    {
        var (request, intended) = catalog.CreateOrder(number, plan.Failing);
        var begun = Stopwatch.GetTimestamp();
        var placed = await shop.Orders.PlaceOrderAsync(request, cancellationToken: cancellationToken);
        stats.Placed.Add(Stopwatch.GetElapsedTime(begun));

        var until = TimeProvider.System.GetUtcNow().UtcDateTime + EndTimeout;
        for (var final = false; ; await Task.Delay(RetryDelay, cancellationToken))
        {
            try
            {
                using var watch = shop.Orders.WatchOrder(new() { Order = placed.Order.OrderId }, deadline: until, cancellationToken: cancellationToken);
                await foreach (var change in watch.ResponseStream.ReadAllAsync(cancellationToken))
                {
                    if (final || change.Entry.Status == OrderStatus.Pending) continue;
                    var latency = Stopwatch.GetElapsedTime(begun);
                    var reason = change.Entry.Status == OrderStatus.Confirmed ? "" : await GetReasonAsync(placed.Order.OrderId, cancellationToken);
                    stats.AddEnded(reason, intended, latency);
                    final = true;
                }
                return;
            }
            catch (RpcException) when (!cancellationToken.IsCancellationRequested)
            {
                // Orders is unavailable; the order goes on.
                if (TimeProvider.System.GetUtcNow().UtcDateTime < until) continue;
                if (!final) stats.AddNotEnded();
                return;
            }
        }
    }

    private async Task<string> GetReasonAsync(string order, CancellationToken cancellationToken) =>
        (await shop.Orders.GetOrderAsync(new() { Order = order }, cancellationToken: cancellationToken)).Order.Reason;
}
