using System.Text;
using Grpc.Core;
using Integration.Cli;
using Shop.V1;

namespace Integration;

/// <summary>A reservation that cannot be read becomes a dead letter and does not block others.</summary>
public sealed class CorruptReservationTests(ShortDeadlineShop shop) : IClassFixture<ShortDeadlineShop>
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60), PollInterval = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task It_is_reported_by_doctor_and_audit_and_other_reservations_are_released()
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = "lamp", Name = "Lamp", Price = 1_000, InitialStock = 10 });
        // Orders does not know these: Stock reserves for them until its sweep asks Orders.
        var good = await ReserveAsync();
        // On a busy machine the sweep may come first.
        var bad = await ReserveAsync();
        while (!await CorruptAsync(bad)) bad = await ReserveAsync();

        await UntilAsync(async () => await StatusAsync(good) == "Released");
        DeadLetter? letter = null;
        await UntilAsync(async () =>
        {
            var listed = await shop.Clients.DeadLetters[1].ListDeadLettersAsync(new());
            letter = listed.DeadLetters.SingleOrDefault(one => one.OrderId == bad);
            return letter is not null;
        });
        Assert.Equal("reservations", letter!.Topic);
        Assert.Equal($"reservation:{bad} is corrupt: it has no lines.", letter.Problem);
        var asked = await Assert.ThrowsAsync<RpcException>(async () => await shop.Clients.Stock.GetReservationAsync(new() { OrderId = bad }));
        Assert.Equal(StatusCode.DataLoss, asked.StatusCode);

        foreach (var command in (string[])["doctor", "audit"])
        {
            var reported = await CliRun.AgainstAsync(shop, [command, .. command == "doctor" ? GetSidecarArguments(shop) : []]);
            Assert.True(reported.Exit == 1 && reported.Output.Contains("dead-letters", StringComparison.Ordinal), $"{command}: {reported}");
        }
        var redriven = await CliRun.AgainstAsync(shop, "dead-letters", "redrive", letter.DeadLetterId);
        Assert.True(redriven.Exit == 1, $"{redriven}");
        var discarded = await CliRun.AgainstAsync(shop, "dead-letters", "discard", letter.DeadLetterId);
        Assert.True(discarded.Exit == 0, $"{discarded}");
        Assert.Empty((await shop.Clients.DeadLetters[1].ListDeadLettersAsync(new())).DeadLetters);
    }

    /// <summary>Publishes an order-created.</summary>
    /// <returns>The id of the order, for which Stock has reserved.</returns>
    private async Task<string> ReserveAsync()
    {
        var order = Guid.CreateVersion7().ToString();
        await PublishAsync(order);
        await UntilAsync(async () => (await StatusAsync(order)).Length > 0);
        return order;
    }

    /// <summary>Archives a reservation as an older version stored it for an order-created without items.</summary>
    /// <returns>False: it was archived before.</returns>
    private async Task<bool> CorruptAsync(string order) => (bool)await shop.Redis.ScriptEvaluateAsync(
        """
        if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
        redis.call('HSET', KEYS[1], 'data', ARGV[1], 'version', '1')
        return 1
        """, [$"stock||stock:reservation:{order}"],
        [$$"""{"orderId":"{{order}}","status":"Reserved","wasReserved":true,"lines":[],"changed":"{{DateTime.UtcNow:O}}"}"""]);

    private async Task PublishAsync(string order)
    {
        using var http = new HttpClient();
        var json = $$"""{"orderId":"{{order}}","userId":"nobody","items":[{"productId":"lamp","quantity":1,"unitPrice":"1000"}],"totalAmount":"1000","finalAmount":"1000"}""";
        using var body = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync($"{shop.AddressOf("3501")}/v1.0/publish/pubsub/order-created", body);
        answer.EnsureSuccessStatusCode();
    }

    private async Task<string> StatusAsync(string order)
    {
        try
        {
            return (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status.ToString();
        }
        catch (RpcException none) when (none.StatusCode == StatusCode.NotFound)
        {
            return "";
        }
    }

    private static IEnumerable<string> GetSidecarArguments(RunningShop shop) =>
    [
        "--orders-sidecar-http", shop.AddressOf("3501"), "--stock-sidecar-http", shop.AddressOf("3502"),
        "--payments-sidecar-http", shop.AddressOf("3503"), "--coupons-sidecar-http", shop.AddressOf("3504"),
    ];

    private static async Task UntilAsync(Func<Task<bool>> holds)
    {
        for (var until = DateTime.UtcNow + Timeout; !await holds(); await Task.Delay(PollInterval))
        {
            Assert.True(DateTime.UtcNow < until, $"The condition is not met after {Timeout}.");
        }
    }
}
