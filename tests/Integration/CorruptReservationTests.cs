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
        var (bad, good) = (Guid.CreateVersion7().ToString(), Guid.CreateVersion7().ToString());
        foreach (var order in (string[])[bad, good]) await PublishAsync(order);
        foreach (var order in (string[])[bad, good]) await UntilAsync(async () => await StatusAsync(order) == "Reserved");
        // The record that an older version stored for an order-created without items.
        var key = $"stock||stock:reservation:{bad}";
        var data = (string)(await shop.Redis.HashGetAsync(key, "data"))!;
        Assert.Contains("\"lines\":[{", data);
        await shop.Redis.HashSetAsync(key, "data", System.Text.RegularExpressions.Regex.Replace(data, "\"lines\":\\[[^]]*\\]", "\"lines\":[]"));

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
