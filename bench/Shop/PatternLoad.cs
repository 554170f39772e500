using System.Collections.Concurrent;
using System.Diagnostics;
using Grpc.Core;
using Shop;
using Shop.V1;

namespace Bench;

/// <summary>Measurements of one pattern under one load.</summary>
/// <param name="Circumstance">What the participants do meanwhile, such as "all well".</param>
/// <param name="PerSecond">Orders that ended a second.</param>
/// <param name="AnswerP50Ms">Until PlaceOrder or PayOrder has answered.</param>
/// <param name="P50Ms">Until the order was final.</param>
/// <param name="Confirmed">Orders that were confirmed, or paid.</param>
/// <param name="Failed">Orders that failed, or were refused. One in twenty is for a product that is sold out.</param>
/// <param name="Errors">Calls that ended with an error. Such an order ends by itself, later.</param>
/// <param name="ClosedAfterSeconds">From the last order until every order was closed.</param>
/// <param name="Cpu">CPU seconds per 1,000 orders, without the load generator.</param>
/// <param name="Commands">Redis commands per order.</param>
/// <param name="Calls">gRPC calls per order.</param>
internal sealed record PatternResult(
    SagaPattern Pattern, string Circumstance, int InFlight, double PerSecond, double AnswerP50Ms, double P50Ms, double P99Ms, double MaxMs,
    int Confirmed, int Failed, int Errors, double ClosedAfterSeconds, double Cpu, double Commands, double Calls);

/// <summary>Runs the same load in either pattern: each customer places its next order when the last is final.</summary>
internal sealed class PatternLoad(ShopUnderTest shop, BenchCatalog catalog, CompletionListener completions)
{
    /// <summary>What a customer sees of one order. A <see cref="Stopwatch"/> timestamp each.</summary>
    private readonly record struct Outcome(long Answered, long Ended, bool? IsConfirmed);

    /// <param name="during">Called when the measurement begins. Null: nothing happens.</param>
    public async Task<PatternResult> RunAsync(
        SagaPattern pattern, string circumstance, int inFlight, TimeSpan warmUp, TimeSpan measured, Func<Task>? during = null)
    {
        var seen = new ConcurrentBag<(double AnswerMs, double EndMs, bool? IsConfirmed)>();
        var (measuring, over) = (false, false);
        var customers = Enumerable.Range(0, inFlight).Select(async at =>
        {
            var random = new Random(at);
            while (!Volatile.Read(ref over))
            {
                var isCounted = Volatile.Read(ref measuring);
                var begun = Stopwatch.GetTimestamp();
                var outcome = await OrderAsync(pattern, catalog.CreateOrder(random, hot: false));
                if (!isCounted && !Volatile.Read(ref measuring)) continue;
                seen.Add((Stopwatch.GetElapsedTime(begun, outcome.Answered).TotalMilliseconds,
                    Stopwatch.GetElapsedTime(begun, outcome.Ended).TotalMilliseconds, outcome.IsConfirmed));
            }
        }).ToArray();
        await Task.Delay(warmUp);
        var (before, watch) = (await ResourceCounters.ReadAsync(shop), Stopwatch.StartNew());
        Volatile.Write(ref measuring, true);
        await Task.WhenAll(Task.Delay(measured), during?.Invoke() ?? Task.CompletedTask);
        var (seconds, ended) = (watch.Elapsed.TotalSeconds, seen.Count);
        var used = await ResourceCounters.ReadAsync(shop) - before;
        Volatile.Write(ref over, true);
        await Task.WhenAll(customers);
        watch.Restart();
        while ((await shop.Clients.Orders.ListOpenOrdersAsync(new() { PageSize = 1 })).Orders.Count > 0 && watch.Elapsed < TimeSpan.FromMinutes(2))
        {
            await Task.Delay(100);
        }
        double[] answers = [.. seen.Select(one => one.AnswerMs).Order()], ends = [.. seen.Select(one => one.EndMs).Order()];
        return new(pattern, circumstance, inFlight, ended / seconds, At(answers, 0.5), At(ends, 0.5), At(ends, 0.99), At(ends, 1),
            seen.Count(one => one.IsConfirmed == true), seen.Count(one => one.IsConfirmed == false), seen.Count(one => one.IsConfirmed is null),
            watch.Elapsed.TotalSeconds, used.Cpu.Where(process => process.Key != "driver").Sum(process => process.Value) * 1000 / Math.Max(1, ended),
            (double)used.Commands.Values.Sum() / Math.Max(1, ended), used.Calls.Values.Sum() / Math.Max(1, ended));
    }

    private async Task<Outcome> OrderAsync(SagaPattern pattern, PlaceOrderRequest request)
    {
        try
        {
            // Longer than an order may take in either pattern.
            var options = new CallOptions(deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(60));
            if (pattern == SagaPattern.Orchestration)
            {
                var paid = await shop.Clients.Orders.PayOrderAsync(new() { Order = request }, options);
                var now = Stopwatch.GetTimestamp();
                return new(now, now, paid.Result == PayResult.Paid);
            }
            var placed = await shop.Clients.Orders.PlaceOrderAsync(request, options);
            var answered = Stopwatch.GetTimestamp();
            var (confirmed, ended) = await completions.WaitForEndAsync(placed.Order.OrderId);
            return new(answered, ended, confirmed);
        }
        catch (RpcException)
        {
            // A customer does not come back at once.
            await Task.Delay(100);
            var now = Stopwatch.GetTimestamp();
            return new(now, now, null);
        }
    }

    private static double At(double[] sorted, double share) => sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
}
