using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Shop.V1;

namespace Shop.Load;

/// <summary>How much is placed.</summary>
/// <param name="Orders">At most so many.</param>
/// <param name="Duration">For so long at most.</param>
/// <param name="InFlight">So many at a time: each customer places the next order when the last has come to rest.</param>
/// <param name="Failing">Percent of them made to fail.</param>
internal sealed record Plan(int Orders, TimeSpan Duration, int InFlight, int Failing);

/// <summary>Place orders and wait for their end.</summary>
internal sealed class Customers(ShopClients shop, Assortment goods, Plan plan, Tally tally)
{
    /// <summary>Longer than any order may take: twice its deadline, and the sweeps that follow.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    /// <summary>After an answer that was none.</summary>
    private static readonly TimeSpan Breath = TimeSpan.FromMilliseconds(200);

    /// <param name="stop">Whoever waits then waits no longer.</param>
    public Task BuyAsync(CancellationToken stop) => Task.WhenAll(Enumerable.Range(0, plan.InFlight).Select(_ => BuyOneAfterAnotherAsync(stop)));

    private async Task BuyOneAfterAnotherAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested && tally.Elapsed < plan.Duration && tally.Begin(plan.Orders) is { } number)
        {
            try
            {
                await BuyAsync(number, stop);
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                // It stays open: nobody waits for it any more.
            }
            catch (RpcException fault)
            {
                tally.DidNotPlace(JsonNamingPolicy.SnakeCaseUpper.ConvertName(fault.StatusCode.ToString()));
                await Task.Delay(Breath, CancellationToken.None);
            }
        }
    }

    private async Task BuyAsync(int number, CancellationToken stop)
    {
        var (request, fails) = goods.Order(number, plan.Failing);
        var begun = Stopwatch.GetTimestamp();
        var placed = await shop.Orders.PlaceOrderAsync(request, cancellationToken: stop);
        tally.Placed.Add(Stopwatch.GetElapsedTime(begun));

        var until = DateTime.UtcNow + Patience;
        for (var final = false; ; await Task.Delay(Breath, stop))
        {
            try
            {
                using var watch = shop.Orders.WatchOrder(new() { Order = placed.Order.OrderId }, deadline: until, cancellationToken: stop);
                await foreach (var change in watch.ResponseStream.ReadAllAsync(stop))
                {
                    if (final || change.Entry.Status == OrderStatus.Pending) continue;
                    final = true;
                    var took = Stopwatch.GetElapsedTime(begun);
                    var reason = change.Entry.Status == OrderStatus.Confirmed ? "" : await ReasonOfAsync(placed.Order.OrderId, stop);
                    tally.Ended(reason, fails, took);
                }
                return;
            }
            catch (RpcException) when (!stop.IsCancellationRequested)
            {
                // Whoever was asked is away; the order is not.
                if (DateTime.UtcNow < until) continue;
                if (!final) tally.DidNotEnd();
                return;
            }
        }
    }

    private async Task<string> ReasonOfAsync(string order, CancellationToken stop) =>
        (await shop.Orders.GetOrderAsync(new() { Order = order }, cancellationToken: stop)).Order.Reason;
}
