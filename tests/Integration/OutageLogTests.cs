using Grpc.Core;
using Integration.Chaos;
using Shop.V1;

namespace Integration;

/// <summary>What a service logs while its sidecar is away and many look on.</summary>
[Collection(nameof(Alone))]
public sealed class OutageLogTests : IAsyncLifetime
{
    private const int Watchers = 8, FailuresMany = 400;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60), LookAgain = TimeSpan.FromMilliseconds(50);

    private ChaosShop shop = null!;

    private Supervised Orders => shop.Services.Single(service => service.Name == "Orders 1");

    private Supervised Payments => shop.Services.Single(service => service.Name == "Payments 1");

    private Supervised OrdersSidecar => shop.Sidecars[shop.Services.IndexOf(Orders)];

    public async Task InitializeAsync() => shop = await ChaosShop.OpenAsync([1, 1, 1, 1], deadline: TimeSpan.FromMinutes(10));

    public async Task DisposeAsync() => await shop.DisposeAsync();

    [Fact]
    public async Task A_sidecar_that_is_away_is_a_few_lines_however_many_watch()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = "p", Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = "u", InitialDeposit = 10_000 });
        using var stop = new CancellationTokenSource(Patience);
        var failures = 0;
        await Payments.KillAsync(TimeSpan.Zero, async () =>
        {
            var order = (await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = "u", Items = { new OrderItem { ProductId = "p", Quantity = 1 } }, SkipPrecheck = true })).Order.OrderId;
            var watchers = Enumerable.Range(0, Watchers).Select(_ => WatchAsync(order)).ToArray();
            var before = Orders.Lines.Count();
            await OrdersSidecar.KillAsync(TimeSpan.Zero, () =>
                ReachAsync(() => Volatile.Read(ref failures) >= FailuresMany, () => $"Only {failures} looks have failed."));
            await ReachAsync(() => Since(before).Any(line => line.Contains("Calls: no more of them fail")), () => string.Join('\n', Since(before)));
            await stop.CancelAsync();
            await Task.WhenAll(watchers);

            var lines = Since(before);
            Assert.DoesNotContain(lines, line => line.Contains("Error status code"));
            Assert.DoesNotContain(lines, line => line.Contains("   at ") || line.Contains(" at Grpc.") || line.Contains(" at Saga."));
            Assert.Single(lines, line => line.Contains("Further calls that fail are counted"));
            // Payments is away, so the order is reminded again and again; that is another matter.
            string[] bad = [.. lines.Where(line => (line.Contains(" warn: ") || line.Contains(" fail: ")) && !line.Contains("was quiet"))];
            Assert.True(bad.Length <= 12, $"{failures} looks failed, and of it these {bad.Length} lines were written:\n{string.Join('\n', bad)}");
        });

        async Task WatchAsync(string order)
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using var watch = shop.Clients.Orders.WatchOrder(new() { Order = order }, cancellationToken: stop.Token);
                    await foreach (var _ in watch.ResponseStream.ReadAllAsync(stop.Token))
                    {
                    }
                }
                catch (RpcException) when (!stop.IsCancellationRequested)
                {
                    Interlocked.Increment(ref failures);
                    await Task.Yield();
                }
                catch (Exception) when (stop.IsCancellationRequested)
                {
                    return;
                }
            }
        }

        string[] Since(int before) => [.. Orders.Lines.Skip(before).Where(line => line.Length > 0)];
    }

    private static async Task ReachAsync(Func<bool> reached, Func<string> otherwise)
    {
        for (var until = DateTime.UtcNow + Patience; !reached(); await Task.Delay(LookAgain)) Assert.True(DateTime.UtcNow < until, otherwise());
    }
}
