using Grpc.Core;
using Integration.Chaos;
using Shop.V1;

namespace Integration;

/// <summary>The log of a service while its sidecar is down and many clients watch.</summary>
[Collection(nameof(OnSupervised))]
public sealed class OutageLogTests(SupervisedShop shop)
{
    private const int Watchers = 8, FailuresMin = 400;

    private static readonly TimeSpan WaitTimeout = TimeSpan.FromSeconds(60), PollInterval = TimeSpan.FromMilliseconds(50);

    [Fact]
    public async Task An_outage_of_the_sidecar_logs_a_few_lines_for_any_number_of_failed_calls()
    {
        await shop.Processes.WaitUntilReadyAsync();
        var (clients, product, user) = (shop.Processes.Clients, $"p-{Guid.CreateVersion7()}", $"u-{Guid.CreateVersion7()}");
        await clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 10 });
        await clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 10_000 });
        using var cts = new CancellationTokenSource(WaitTimeout);
        var failures = 0;
        await shop.Payments.KillAsync(TimeSpan.Zero, async () =>
        {
            var order = (await clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = product, Quantity = 1 } }, SkipPrecheck = true })).Order.OrderId;
            var watchers = Enumerable.Range(0, Watchers).Select(_ => WatchAsync(order)).ToArray();
            var before = shop.Orders.Lines.Count();
            await shop.SidecarOf(shop.Orders).KillAsync(TimeSpan.Zero, () =>
                WaitForAsync(() => Volatile.Read(ref failures) >= FailuresMin, () => $"Only {failures} calls have failed."));
            await WaitForAsync(() => Since(before).Any(line => line.Contains("Calls: no more of them fail")), () => string.Join('\n', Since(before)));
            await cts.CancelAsync();
            await Task.WhenAll(watchers);

            var lines = Since(before);
            Assert.DoesNotContain(lines, line => line.Contains("Error status code"));
            Assert.DoesNotContain(lines, line => line.Contains("   at ") || line.Contains(" at Grpc.") || line.Contains(" at Saga."));
            // One outage, or a second one when the sidecar fails again during its start.
            Assert.InRange(lines.Count(line => line.Contains("Further failed calls are counted")), 1, 2);
            // Payments is down, so the order is resent (event id 106), which is no part of the outage.
            string[] outage = [.. lines.Where(line => (line.Contains(" warn: ") || line.Contains(" fail: ")) && !line.Contains("[106]")
                // A long outage has one such line for every 10 s.
                && !line.Contains("more failed within 10"))];
            Assert.True(outage.Length <= 12, $"{failures} calls failed, and these {outage.Length} lines were logged:\n{string.Join('\n', outage)}");
        });

        async Task WatchAsync(string order)
        {
            while (!cts.IsCancellationRequested)
            {
                try
                {
                    using var watch = clients.Orders.WatchOrder(new() { Order = order }, cancellationToken: cts.Token);
                    await foreach (var _ in watch.ResponseStream.ReadAllAsync(cts.Token))
                    {
                    }
                }
                catch (RpcException) when (!cts.IsCancellationRequested)
                {
                    Interlocked.Increment(ref failures);
                    await Task.Yield();
                }
                catch (Exception) when (cts.IsCancellationRequested)
                {
                    return;
                }
            }
        }

        string[] Since(int before) => [.. shop.Orders.Lines.Skip(before).Where(line => line.Length > 0)];
    }

    private static async Task WaitForAsync(Func<bool> condition, Func<string> getMessage)
    {
        for (var until = DateTime.UtcNow + WaitTimeout; !condition(); await Task.Delay(PollInterval)) Assert.True(DateTime.UtcNow < until, getMessage());
    }
}
