using Points.V1;
using Shop.V1;

namespace Integration;

/// <summary>The shop with samples/Points. An order that waits for a dead participant fails soon.</summary>
public sealed class PointsShop : ShopWithParticipant
{
    public PointsShop() : base("points")
    {
        foreach (var settings in (Dictionary<string, string>[])[Environment, ParticipantEnvironment])
        {
            (settings["Saga__Deadline"], settings["Saga__ResendAfter"], settings["Saga__SweepPeriod"]) = ("12s", "500ms", "200ms");
        }
    }

    protected override Task<string> BuildAsync() => Task.FromResult(ProgramOf("Points"));
}

/// <summary>A fourth participant joins by its own folder and by configuration.</summary>
public sealed class PointsTests(PointsShop shop) : IClassFixture<PointsShop>
{
    /// <summary>Done and undone, or not done when the order failed.</summary>
    private static readonly StepState[] NeverDone = [StepState.Undone, StepState.Skipped];

    private readonly string user = $"u-{Guid.CreateVersion7()}";

    [Fact]
    public async Task A_confirmed_order_earns_one_percent_of_what_it_costs()
    {
        var order = await OrderAsync(price: 12_300);
        Assert.Equal(OrderStatus.Confirmed, order.Status);
        Assert.Equal((Step.Unspecified, StepState.Done), (StepOf(order).Step, StepOf(order).State));
        await Poll.UntilAsync(async () => await PointsAsync() == (123, 0));
    }

    [Fact]
    public async Task An_order_that_fails_elsewhere_earns_nothing()
    {
        var order = await OrderAsync(price: 12_300, balance: 0);
        Assert.Equal((OrderStatus.Failed, "BALANCE_TOO_LOW"), (order.Status, order.Reason));
        Assert.Contains(StepOf(order).State, NeverDone);
        Assert.Equal((0, 0), await PointsAsync());
    }

    [Fact]
    public async Task A_user_with_too_many_points_is_refused_and_each_participant_undoes_it()
    {
        var order = await OrderAsync(price: 10_000_100);
        Assert.Equal((OrderStatus.Failed, "TOO_MANY_POINTS"), (order.Status, order.Reason));
        Assert.Equal(StepState.Refused, StepOf(order).State);
        Assert.All(order.Steps.Where(step => step.Step is Step.Stock or Step.Payment), step => Assert.Contains(step.State, NeverDone));
        var explained = await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order.OrderId });
        Assert.Equal(["points-failed", "points-compensated"], explained.Timeline.Select(entry => entry.Event).Where(name => name.StartsWith("points-")));
    }

    [Fact]
    public async Task While_it_is_dead_orders_fail_at_the_deadline_and_are_closed_once_it_is_back()
    {
        await shop.StopParticipantAsync("KILL");
        var order = await OrderAsync(price: 12_300, isClosed: false);
        Assert.Equal((OrderStatus.Failed, "DEADLINE"), (order.Status, order.Reason));
        Assert.Equal("Not every participant had answered 12 s after placing: Points.", order.Detail);
        await UntilAsync(order.OrderId, seen => seen.Steps.Where(step => step.Name != "points").All(step => step.Compensated));
        Assert.Contains("Points", Assert.Single((await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order.OrderId })).WaitsFor));
        await shop.StartParticipantAsync();
        order = await UntilAsync(order.OrderId, seen => seen.IsClosed);
        Assert.Equal((0, 0), await PointsAsync());
    }

    private static StepProgress StepOf(Order order) => Assert.Single(order.Steps, step => step.Name == "points");

    /// <param name="balance">Of the user; null: enough.</param>
    /// <param name="isClosed">False: only until it is final.</param>
    private async Task<Order> OrderAsync(long price, long? balance = null, bool isClosed = true)
    {
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = user, Name = "Lamp", Price = price, InitialStock = 1 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = balance ?? price });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(
            new() { UserId = user, Items = { new OrderItem { ProductId = user, Quantity = 1 } }, SkipPrecheck = true });
        return await UntilAsync(placed.Order.OrderId, order => isClosed ? order.IsClosed : order.Status != OrderStatus.Pending);
    }

    private async Task<Order> UntilAsync(string id, Func<Order, bool> holds)
    {
        Order? order = null;
        await Poll.UntilAsync(async () => holds(order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = id })).Order), () => $"{order}");
        return order!;
    }

    /// <summary>Earned and pending, as the sample's own API has them.</summary>
    private async Task<(long, long)> PointsAsync()
    {
        var points = await new PointsService.PointsServiceClient(shop.Grpc).GetPointsAsync(new() { UserId = user });
        return (points.Points, points.PendingPoints);
    }
}

/// <summary>The shop with samples/Points. An order waits longer than a restart takes, and the participant soon asks for its outcome.</summary>
public sealed class PatientPointsShop : ShopWithParticipant
{
    public PatientPointsShop() : base("points")
    {
        (ParticipantEnvironment["Saga__Deadline"], ParticipantEnvironment["Saga__SweepPeriod"]) = ("3s", "200ms");
        Environment["Saga__Deadline"] = "5m";
    }

    protected override Task<string> BuildAsync() => Task.FromResult(ProgramOf("Points"));

    /// <summary>Takes the step out of the configuration of Orders, and restarts the shop.</summary>
    public Task RemoveStepAsync()
    {
        EnvironmentByApp["orders"]["Saga__Steps"] = "stock,payments,coupons";
        return RestartAsync();
    }
}

/// <summary>The step of a participant is removed while orders wait for it.</summary>
public sealed class RemovedStepTests(PatientPointsShop shop) : IClassFixture<PatientPointsShop>
{
    [Fact]
    public async Task An_open_order_does_not_wait_for_it_any_more_and_nothing_stays_held()
    {
        await shop.StopParticipantAsync("KILL");
        var user = $"u-{Guid.CreateVersion7()}";
        await shop.Clients.Stock.PutProductAsync(new() { ProductId = user, Name = "Lamp", Price = 10_000, InitialStock = 1 });
        await shop.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 10_000 });
        var placed = await shop.Clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = user, Quantity = 1 } } });
        await shop.RemoveStepAsync();

        // The log of the instance that was stopped is taken over when its heartbeat has not changed for 20 s.
        Order? order = null;
        await Poll.UntilAsync(
            async () => (order = (await shop.Clients.Orders.GetOrderAsync(new() { Order = placed.Order.OrderId })).Order).IsClosed, () => $"{order}");
        Assert.Equal((OrderStatus.Confirmed, StepState.Skipped), (order!.Status, Assert.Single(order.Steps, step => step.Name == "points").State));
        var explained = await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order.OrderId });
        Assert.Contains(explained.Timeline, entry => entry.Event == "step-removed");

        // It gets what was published meanwhile, order-created and order-confirmed, in any order; its sweep settles what the second could not.
        await shop.StartParticipantAsync();
        var points = new PointsService.PointsServiceClient(shop.Grpc);
        await Poll.UntilAsync(async () => (await points.GetPointsAsync(new() { UserId = user })) is { Points: 100, PendingPoints: 0 });
        var audit = await Cli.CliRun.AgainstAsync(shop, "audit");
        Assert.True(audit.Exit == 0, $"{audit}");
    }
}
