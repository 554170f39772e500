using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>Dead letters are stored, shown, redriven and discarded by the public API.</summary>
[Collection(nameof(OnRedis))]
public sealed class DeadLetterTests(RunningShop shop)
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact, Trait("Hazard", "H20")]
    public async Task A_malformed_event_is_stored_with_the_reason_and_can_only_be_discarded()
    {
        await AddAsync("payment-completed",
            $$"""{"id":"poison-{{run}}","source":"test","type":"x","specversion":"1.0","datacontenttype":"application/json","data":{"amount":[]},"topic":"payment-completed","pubsubname":"pubsub"}""");
        var letter = await WaitForLetterAsync(letter => letter.EventId == $"poison-{run}");
        Assert.Equal("orders", letter.AppId);
        Assert.Equal("payment-completed", letter.Topic);
        Assert.Contains("not the event of the topic payment-completed", letter.Problem);
        Assert.Contains("amount", (await OrdersLetters.GetDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId })).DeadLetter.Data.ToStringUtf8());
        await AssertRefusedAsync(
            OrdersLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }),
            StatusCode.FailedPrecondition, "can only be discarded");

        for (var attempt = 0; attempt < 2; attempt++)
        {
            var discarded = await OrdersLetters.DiscardDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
            Assert.Equal(DeadLetterState.Discarded, discarded.DeadLetter.State);
        }
        Assert.DoesNotContain((await OrdersLetters.ListDeadLettersAsync(new())).DeadLetters, one => one.DeadLetterId == letter.DeadLetterId);
    }

    [Fact]
    public async Task A_message_that_is_not_a_CloudEvent_is_stored_too()
    {
        await AddAsync("coupon-used", $"rubbish {run}");
        var letter = await WaitForLetterAsync(letter => letter.Problem.Contains($"rubbish {run}"));
        Assert.Contains("not a CloudEvent", letter.Problem);
        Assert.Empty(letter.Topic);
    }

    [Fact]
    public async Task A_dry_run_reports_the_effects_of_the_redrive()
    {
        var (product, order) = ($"p-{run}", Guid.CreateVersion7().ToString());
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await AddAsync("order-created", Envelope(order, "OrderCreatedEvent", "order-created",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000"}"""));
        // Orders rejects the answer of Stock about an order that it does not know.
        await WaitForLetterAsync(letter => letter.OrderId == order && letter.Topic == "stock-reserved");
        await AddAsync("stock-dead-letters", Envelope(order, "OrderFailedEvent", "order-failed",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000","reason":"CANCELLED"}"""));
        var letter = await WaitForLetterAsync(letter => letter.OrderId == order && letter.AppId == "stock");
        Assert.Equal("order-failed", letter.Topic);
        Assert.Empty(letter.Problem);

        var dryRun = await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId, DryRun = true });
        Assert.Empty(dryRun.Failure);
        Assert.Equal(DeadLetterState.Waiting, dryRun.DeadLetter.State);
        Assert.Contains(dryRun.Effects,
            effect => effect.StartsWith($"product:{product}:") && effect.Contains("holdings.available 3 → 5")
                && effect.Contains("holdings.held 2 → 0"));
        Assert.Contains(dryRun.Effects, effect => effect.StartsWith($"reservation:{order}:"));
        Assert.Contains(dryRun.Effects, effect => effect.StartsWith("publishes stock-released:") && effect.Contains(order));
        Assert.Equal(new StockLevel(Available: 3, Held: 2), StockLevel.From(await ProductAsync(product)));
        Assert.Equal(ReservationStatus.Reserved, (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status);

        var redriven = await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
        Assert.Empty(redriven.Failure);
        Assert.Equal(DeadLetterState.Redriven, redriven.DeadLetter.State);
        Assert.Equal(new StockLevel(Available: 5, Held: 0), StockLevel.From(await ProductAsync(product)));
        Assert.Equal(ReservationStatus.Released, (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status);
        await AssertRefusedAsync(
            StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }),
            StatusCode.FailedPrecondition, "redriven before");
    }

    [Fact, Trait("Hazard", "H28")]
    public async Task An_order_created_whose_retries_are_used_up_leaves_a_tombstone_when_Orders_does_not_know_the_order()
    {
        var (product, order) = ($"q-{run}", Guid.CreateVersion7().ToString());
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await AddAsync("stock-dead-letters", Envelope(order, "OrderCreatedEvent", "order-created",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000"}"""));
        var letter = await WaitForLetterAsync(letter => letter.OrderId == order);
        Reservation? tombstone = null;
        for (var until = DateTime.UtcNow.AddSeconds(30); tombstone is null; await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < until, "There is no tombstone.");
            try
            {
                tombstone = (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation;
            }
            catch (RpcException missing) when (missing.StatusCode == StatusCode.NotFound)
            {
            }
        }
        Assert.Equal(ReservationStatus.Released, tombstone.Status);
        Assert.Empty((await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId })).Failure);
        Assert.Equal(new StockLevel(Available: 5, Held: 0), StockLevel.From(await ProductAsync(product)));
    }

    [Fact]
    public async Task A_redrive_that_fails_keeps_the_dead_letter_and_reports_why()
    {
        var order = Guid.CreateVersion7().ToString();
        await AddAsync("payments-dead-letters", Envelope(order, "OrderConfirmedEvent", "order-confirmed", Confirmed(order)));
        var letter = await WaitForLetterAsync(letter => letter.OrderId == order);
        foreach (var dryRun in (bool[])[true, false])
        {
            var redriven = await shop.Clients.DeadLetters[2].RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId, DryRun = dryRun });
            Assert.Contains("is absent", redriven.Failure);
            Assert.Equal(DeadLetterState.Waiting, redriven.DeadLetter.State);
        }
        await shop.Clients.DeadLetters[2].DiscardDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
    }

    [Fact, Trait("Hazard", "H19")]
    public async Task An_event_older_than_the_retention_of_records_is_not_redriven()
    {
        var order = Guid.CreateVersion7().ToString();
        await AddAsync("stock-dead-letters",
            Envelope(order, "OrderConfirmedEvent", "order-confirmed", Confirmed(order), DateTime.UtcNow.AddDays(-7)));
        var letter = await WaitForLetterAsync(letter => letter.OrderId == order);
        await AssertRefusedAsync(
            StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }),
            StatusCode.FailedPrecondition, "more than 6 days ago");
    }

    [Fact]
    public async Task An_unknown_dead_letter_is_not_found() =>
        await AssertRefusedAsync(OrdersLetters.GetDeadLetterAsync(new() { DeadLetterId = "0000" }), StatusCode.NotFound, "0000");

    private DeadLetterService.DeadLetterServiceClient OrdersLetters => shop.Clients.DeadLetters[0];

    private DeadLetterService.DeadLetterServiceClient StockLetters => shop.Clients.DeadLetters[1];

    private async Task<Product> ProductAsync(string id) => (await shop.Clients.Stock.GetProductAsync(new() { ProductId = id })).Product;

    private Task AddAsync(string topic, string message) => shop.Redis.ExecuteAsync("XADD", topic, "*", "data", message);

    private async Task<DeadLetter> WaitForLetterAsync(Func<DeadLetter, bool> which)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var letters = (await DeadLetterList.ReadAsync(shop.Clients, default)).Letters;
            if (letters.FirstOrDefault(which) is { } letter) return letter;
            Assert.True(DateTime.UtcNow < until, $"The dead letter is not among the {letters.Count} dead letters.");
        }
    }

    private static async Task AssertRefusedAsync<T>(AsyncUnaryCall<T> call, StatusCode code, string detail)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(code, refused.StatusCode);
        Assert.Contains(detail, refused.Status.Detail);
    }

    private static string Confirmed(string order) =>
        $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"p","quantity":1,"unitPrice":"5"}],"totalAmount":"5","finalAmount":"5"}""";

    private static string Envelope(string order, string name, string topic, string data, DateTime? time = null) =>
        $$"""{"data":{{data}},"datacontenttype":"application/json","id":"{{order}}/{{name}}","pubsubname":"pubsub","source":"orders","specversion":"1.0","time":"{{time ?? DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"{{topic}}","type":"shop.v1.{{name}}"}""";
}
