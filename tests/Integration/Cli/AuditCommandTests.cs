using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration.Cli;

/// <summary>The audit of a running shop with inconsistent records, and all commands when one service is down.</summary>
[Collection(nameof(OnTraced))]
public sealed class AuditCommandTests(TracedShop shop)
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact]
    public async Task An_unfinished_settlement_is_under_way_and_an_unexplained_difference_is_broken()
    {
        var (order, product) = await PlaceConfirmedAsync();
        await AuditAsync(0);

        // As if Stock had crashed between its two writes: sold, but the reservation is not archived.
        string archived = $"stock||stock:reservation:{order.OrderId}", aside = $"aside-{run}";
        await shop.Redis.KeyRenameAsync(archived, aside);
        var audit = await AuditAsync(4);
        Assert.All(audit.Values, one => Assert.Contains(one.GetProperty("state").GetString(), (string[])["holds", "underWay"]));
        var settled = audit["a confirmed order is settled"];
        Assert.Equal("underWay", settled.GetProperty("state").GetString());
        Assert.False(settled.GetProperty("holds").GetBoolean());
        Assert.Matches($@"order {Regex.Escape(order.OrderNumber)} was confirmed \d+ s ago and Stock has not settled yet; it will by .*, look again then",
            settled.GetProperty("underWay")[0].GetProperty("what").GetString());
        Assert.True(settled.GetProperty("underWay")[0].GetProperty("until").GetDateTime() > DateTime.UtcNow);
        Assert.Equal("underWay", audit["sold is what settled orders took"].GetProperty("state").GetString());

        await shop.Redis.KeyRenameAsync(aside, archived);
        await AuditAsync(0);

        await EditAsync($"stock||stock:product:{product}", "\"consumed\":2", "\"consumed\":3");
        audit = await AuditAsync(1);
        Assert.Equal("broken", audit["sold is what settled orders took"].GetProperty("state").GetString());
        Assert.Contains(
            $"product {product}: 3 pieces consumed, 2 by settled orders",
            audit["sold is what settled orders took"].GetProperty("breaches")[0].GetString());
        await EditAsync($"stock||stock:product:{product}", "\"consumed\":3", "\"consumed\":2");
        await AuditAsync(0);
    }

    [Fact]
    public async Task A_corrupt_product_is_reported_and_makes_no_other_fail()
    {
        var (_, product) = await PlaceConfirmedAsync();
        var (bad, user) = ($"bad-{run}", $"u-{run}");
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = bad, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await AuditAsync(0);

        var key = $"stock||stock:product:{bad}";
        await EditAsync(key, "\"available\":5", "\"available\":-5");
        var audit = await AuditAsync(1);
        Assert.Equal("every document can be read", Assert.Single(audit.Values, one => !one.GetProperty("holds").GetBoolean()).GetProperty("name").GetString());
        Assert.StartsWith($"product {bad}: Stock cannot read it", audit["every document can be read"].GetProperty("breaches")[0].GetString());
        var listed = await CliRun.AgainstAsync(shop, "product", "list");
        Assert.True(listed.Exit == 0, $"{listed}");
        Assert.Contains(product, listed.Output);
        Assert.DoesNotContain(bad, listed.Output);
        Assert.StartsWith($"product {bad} is not listed", listed.Error);

        // Concurrent look-ups share a call.
        var orders = Enumerable.Range(0, 40).Select(at => (Product: at % 2 == 0 ? product : bad, Call: shop.Clients.Orders.PlaceOrderAsync(
            new() { UserId = user, Items = { new OrderItem { ProductId = at % 2 == 0 ? product : bad, Quantity = 1 } }, SkipPrecheck = true }))).ToArray();
        foreach (var order in orders)
        {
            if (order.Product == product)
            {
                await order.Call;
                continue;
            }
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await order.Call);
            Assert.True(refused.StatusCode == StatusCode.DataLoss && refused.Status.Detail.Contains($"product:{bad} is corrupt"), $"{refused}");
        }

        await EditAsync(key, "\"available\":-5", "\"available\":5");
        // The orders that the stock does not suffice for fail.
        for (var until = DateTime.UtcNow.AddSeconds(30); (await CliRun.AgainstAsync(shop, "audit")).Exit != 0; await Task.Delay(100))
        {
            Assert.True(DateTime.UtcNow < until, "The audit does not hold.");
        }
    }

    [Fact]
    public async Task With_one_service_down_commands_use_the_others_and_name_it()
    {
        var (order, _) = await PlaceConfirmedAsync();
        var nowhere = $"http://localhost:{FreePort.Take()}";
        Task<CliRun> WithoutStockAsync(params string[] words) => CliRun.WithoutAddressesAsync([.. words,
            "--orders", shop.AddressOf("5001"), "--stock", nowhere, "--payments", shop.AddressOf("5003"), "--coupons", shop.AddressOf("5004")]);
        await shop.Redis.ExecuteAsync("XADD", "payments-dead-letters", "*", "data", CreatePoison(order.OrderId));
        var letter = await WaitForLetterAsync(order.OrderId);

        var audit = await WithoutStockAsync("audit");
        Assert.True(audit.Exit == 3, $"{audit}");
        Assert.Matches(@"not seen +stock adds up", audit.Output);
        Assert.Matches(@"holds +money adds up", audit.Output);
        Assert.Contains($"Stock at {nowhere} does not answer", audit.Error);

        var listed = await WithoutStockAsync("dead-letters", "list");
        Assert.Equal(3, listed.Exit);
        Assert.Contains(letter, listed.Output);
        Assert.Contains($"Stock at {nowhere} does not answer", listed.Error);

        var explained = await WithoutStockAsync("explain", order.OrderNumber);
        Assert.True(explained.Exit == 0, $"{explained}");
        var text = Regex.Replace(explained.Output, @"\s+", " ");
        Assert.Contains("dead: payments could not handle order-confirmed", text);
        Assert.Contains($"./shop dead-letters show {letter}", text);
        Assert.Contains($"Stock at {nowhere} does not answer", text);
        var json = (await WithoutStockAsync("explain", order.OrderNumber, "--json")).Json;
        Assert.Equal(letter, json.GetProperty("deadLetters")[0].GetProperty("deadLetterId").GetString());
        Assert.Equal("Stock", json.GetProperty("silent")[0].GetString());

        Assert.Equal(0, (await WithoutStockAsync("dead-letters", "show", letter)).Exit);
        Assert.Equal(0, (await WithoutStockAsync("orders")).Exit);
        Assert.Equal(0, (await WithoutStockAsync("account", "list")).Exit);
        foreach (var words in (string[][])[["product", "list"], ["dead-letters", "show", "0000"]])
        {
            var result = await WithoutStockAsync(words);
            Assert.Equal(3, result.Exit);
            Assert.Contains($"Stock at {nowhere} does not answer", Assert.Single(result.Error.Trim().Split('\n')));
        }
        await shop.Clients.DeadLetters[2].DiscardDeadLetterAsync(new() { DeadLetterId = letter });
    }

    [Fact]
    public async Task A_service_that_accepts_connections_and_never_answers_is_named()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}";
        var result = await CliRun.WithoutAddressesAsync("product", "list", "--orders", shop.AddressOf("5001"), "--stock", address,
            "--payments", shop.AddressOf("5003"), "--coupons", shop.AddressOf("5004"));
        Assert.Equal(3, result.Exit);
        Assert.Contains($"Stock at {address} does not answer", result.Error);
    }

    /// <summary>Places an order of two pieces of a new product, and waits until it is confirmed and settled.</summary>
    private async Task<(Order Order, string Product)> PlaceConfirmedAsync()
    {
        var (product, user) = ($"p-{run}", $"u-{run}");
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 10_000 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = product, Quantity = 2 } } });
        var id = placed.Order.OrderId;
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = id })).Order;
            if (order.Status == OrderStatus.Confirmed
                && (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = id })).Reservation.Status == ReservationStatus.Settled
                && (await shop.Clients.Payments.GetPaymentAsync(new() { OrderId = id })).Payment.Status == PaymentStatus.Settled) return (order, product);
            Assert.True(DateTime.UtcNow < until, $"The order is {order}.");
        }
    }

    private async Task<Dictionary<string, JsonElement>> AuditAsync(int exit)
    {
        var result = await CliRun.AgainstAsync(shop, "audit", "--json");
        Assert.True(result.Exit == exit, $"{result}");
        return result.Json.EnumerateArray().ToDictionary(one => one.GetProperty("name").GetString()!);
    }

    /// <summary>Changes a document directly in Redis, without its version, so that it can be restored.</summary>
    private async Task EditAsync(string key, string from, string to)
    {
        var before = (string)(await shop.Redis.HashGetAsync(key, "data"))!;
        Assert.Contains(from, before);
        await shop.Redis.HashSetAsync(key, "data", before.Replace(from, to));
    }

    private async Task<string> WaitForLetterAsync(string order)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            if ((await DeadLetterList.ReadAsync(shop.Clients, default)).Letters.FirstOrDefault(letter => letter.OrderId == order) is { } kept)
            {
                return kept.DeadLetterId;
            }
            Assert.True(DateTime.UtcNow < until, "There is no dead letter of the order.");
        }
    }

    private static string CreatePoison(string order) =>
        $$"""{"data":{"orderId":"{{order}}","userId":"u","items":[{"productId":"p","quantity":1,"unitPrice":"5"}],"totalAmount":"5","finalAmount":"5"},"datacontenttype":"application/json","id":"{{order}}/OrderConfirmedEvent","pubsubname":"pubsub","source":"orders","specversion":"1.0","time":"{{DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"order-confirmed","type":"shop.v1.OrderConfirmedEvent"}""";
}
