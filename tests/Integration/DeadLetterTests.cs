using Grpc.Core;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>What a service could not handle is kept, shown, redriven and discarded, by the public API.</summary>
[Collection(nameof(OnRedis))]
public sealed class DeadLetterTests(RunningShop shop)
{
    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    [Fact, Trait("Hazard", "H20")]
    public async Task An_event_that_cannot_be_read_is_kept_with_the_reason_and_can_only_be_discarded()
    {
        await AddAsync("payment-completed", $$"""{"id":"poison-{{run}}","source":"test","type":"x","specversion":"1.0","datacontenttype":"application/json","data":{"amount":[]},"topic":"payment-completed","pubsubname":"pubsub"}""");
        var letter = await KeptAsync(letter => letter.EventId == $"poison-{run}");
        Assert.Equal(("orders", "payment-completed"), (letter.AppId, letter.Topic));
        Assert.Contains("not the event of the topic payment-completed", letter.Problem);
        Assert.Contains("amount", (await OrdersLetters.GetDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId })).DeadLetter.Data.ToStringUtf8());
        await RefusedAsync(OrdersLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }), StatusCode.FailedPrecondition, "can only be discarded");

        for (var twice = 0; twice < 2; twice++)
        {
            var discarded = await OrdersLetters.DiscardDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
            Assert.Equal(DeadLetterState.Discarded, discarded.DeadLetter.State);
        }
        Assert.DoesNotContain((await OrdersLetters.ListDeadLettersAsync(new())).DeadLetters, one => one.DeadLetterId == letter.DeadLetterId);
    }

    [Fact]
    public async Task What_is_no_CloudEvent_at_all_is_kept_too()
    {
        await AddAsync("coupon-used", $"rubbish {run}");
        var letter = await KeptAsync(letter => letter.Problem.Contains($"rubbish {run}"));
        Assert.Contains("no CloudEvent", letter.Problem);
        Assert.Empty(letter.Topic);
    }

    [Fact]
    public async Task A_dry_run_says_what_a_redrive_then_does()
    {
        var (product, order) = ($"p-{run}", Guid.CreateVersion7().ToString());
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = product, Name = "Lamp", Price = 1_000, InitialStock = 5 });
        await AddAsync("stock-dead-letters", Envelope(order, "OrderCreatedEvent", "order-created",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000"}"""));
        var letter = await KeptAsync(letter => letter.OrderId == order);
        Assert.Equal(("stock", "order-created", ""), (letter.AppId, letter.Topic, letter.Problem));

        var rehearsed = await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId, DryRun = true });
        Assert.Empty(rehearsed.Failure);
        Assert.Equal(DeadLetterState.Waiting, rehearsed.DeadLetter.State);
        Assert.Contains(rehearsed.Effects, effect => effect.StartsWith($"product:{product}:") && effect.Contains("holdings.available 5 → 3") && effect.Contains("holdings.held 0 → 2"));
        Assert.Contains(rehearsed.Effects, effect => effect.StartsWith($"claim:{order}:"));
        Assert.Contains(rehearsed.Effects, effect => effect.StartsWith("says stock-reserved:") && effect.Contains(order));
        Assert.Equal(5, (await ProductAsync(product)).Available);
        await RefusedAsync(shop.Clients.Stock.GetReservationAsync(new() { OrderId = order }), StatusCode.NotFound, order);

        var redriven = await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
        Assert.Empty(redriven.Failure);
        Assert.Equal(DeadLetterState.Redriven, redriven.DeadLetter.State);
        Assert.Equal((3, 2), ((await ProductAsync(product)).Available, (await ProductAsync(product)).Held));
        Assert.Equal(ReservationStatus.Reserved, (await shop.Clients.Stock.GetReservationAsync(new() { OrderId = order })).Reservation.Status);
        await RefusedAsync(StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }), StatusCode.FailedPrecondition, "redriven before");

        // Nobody placed that order: let go of what it holds.
        await AddAsync("stock-dead-letters", Envelope(order, "OrderFailedEvent", "order-failed",
            $$"""{"orderId":"{{order}}","userId":"u","items":[{"productId":"{{product}}","quantity":2,"unitPrice":"1000"}],"totalAmount":"2000","finalAmount":"2000","reason":"CANCELLED"}"""));
        // Orders has rejected what Stock answered about an order that it does not know.
        letter = await KeptAsync(letter => letter.OrderId == order && letter.AppId == "stock");
        Assert.Empty((await StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId })).Failure);
        Assert.Equal(5, (await ProductAsync(product)).Available);
    }

    [Fact]
    public async Task What_fails_again_stays_and_says_why()
    {
        var order = Guid.CreateVersion7().ToString();
        await AddAsync("payments-dead-letters", Envelope(order, "OrderConfirmedEvent", "order-confirmed", $$"""{"orderId":"{{order}}"}"""));
        var letter = await KeptAsync(letter => letter.OrderId == order);
        foreach (var dryRun in (bool[])[true, false])
        {
            var redriven = await shop.Clients.DeadLetters[2].RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId, DryRun = dryRun });
            Assert.Contains("its claim is absent", redriven.Failure);
            Assert.Equal(DeadLetterState.Waiting, redriven.DeadLetter.State);
        }
        await shop.Clients.DeadLetters[2].DiscardDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId });
    }

    [Fact, Trait("Hazard", "H19")]
    public async Task An_event_that_is_older_than_what_is_remembered_is_not_redriven()
    {
        var order = Guid.CreateVersion7().ToString();
        await AddAsync("stock-dead-letters", Envelope(order, "OrderConfirmedEvent", "order-confirmed", $$"""{"orderId":"{{order}}"}""", DateTime.UtcNow.AddDays(-7)));
        var letter = await KeptAsync(letter => letter.OrderId == order);
        await RefusedAsync(StockLetters.RedriveDeadLetterAsync(new() { DeadLetterId = letter.DeadLetterId }), StatusCode.FailedPrecondition, "more than 6 days ago");
    }

    [Fact]
    public async Task An_unknown_one_is_not_found() =>
        await RefusedAsync(OrdersLetters.GetDeadLetterAsync(new() { DeadLetterId = "0000" }), StatusCode.NotFound, "0000");

    private DeadLetterService.DeadLetterServiceClient OrdersLetters => shop.Clients.DeadLetters[0];

    private DeadLetterService.DeadLetterServiceClient StockLetters => shop.Clients.DeadLetters[1];

    private async Task<Product> ProductAsync(string id) => (await shop.Clients.Stock.GetProductAsync(new() { ProductId = id })).Product;

    private Task AddAsync(string topic, string message) => shop.Redis.ExecuteAsync("XADD", topic, "*", "data", message);

    private async Task<DeadLetter> KeptAsync(Func<DeadLetter, bool> which)
    {
        for (var until = DateTime.UtcNow.AddSeconds(30); ; await Task.Delay(20))
        {
            var letters = (await DeadLetterList.ReadAsync(shop.Clients, default)).Letters;
            if (letters.FirstOrDefault(which) is { } letter) return letter;
            Assert.True(DateTime.UtcNow < until, $"It is not among the {letters.Count} dead letters.");
        }
    }

    private static async Task RefusedAsync<T>(AsyncUnaryCall<T> call, StatusCode code, string says)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);
        Assert.Equal(code, refused.StatusCode);
        Assert.Contains(says, refused.Status.Detail);
    }

    private static string Envelope(string order, string name, string topic, string data, DateTime? said = null) =>
        $$"""{"data":{{data}},"datacontenttype":"application/json","id":"{{order}}/{{name}}","pubsubname":"pubsub","source":"orders","specversion":"1.0","time":"{{said ?? DateTime.UtcNow:yyyy-MM-ddTHH:mm:ssZ}}","topic":"{{topic}}","type":"shop.v1.{{name}}"}""";
}
