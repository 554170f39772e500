using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;

namespace Saga.Tests;

/// <summary>A participant of the library takes part in the orders that wait for it, and in no other that its topics still have.</summary>
public sealed class JoiningParticipantTests
{
    private const string OrderId = "0198c0de-abcd-7000-8000-0000000000ef";

    private static readonly string[] Three = ["stock", "payments", "coupons"], Four = [.. Three, Member.App];

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly List<OutgoingEvent> published = [];
    private readonly Subscriptions subscriptions = new();

    public JoiningParticipantTests()
    {
        var sidecar = new SimulatedSidecar(world, store, Member.App, null, () => SidecarFaults.None, () => false, published.Add);
        var documents = DocumentStore.Create(sidecar, new(world.Clock, world.Chance));
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        new StepHandlers<Member>(
            new(documents, sidecar, Member.KeyOf, openOrders, world.Clock), documents, sidecar, Member.KeyOf,
            (_, _) => Task.FromResult(OrderOutcome.Pending), new(Member.App), Member.Decisions,
            NullLogger.Instance).SubscribeTo(subscriptions);
    }

    [Fact]
    public void Of_an_order_from_before_it_joined_it_keeps_nothing_and_answers_nothing()
    {
        Handle("order-created", Created(Three));
        Handle("order-confirmed", Confirmed(Three));
        Handle("order-created", Created(Three));
        Handle("order-failed", Failed(Three));
        Assert.Empty(published);
        Assert.Empty(store.Versions);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void It_takes_part_in_an_order_that_names_it_and_in_one_that_names_no_step(bool named)
    {
        var steps = named ? Four : [];
        Handle("order-created", Created(steps));
        Assert.Equal($"{Member.App}-succeeded", Assert.Single(published).Topic);
        Handle("order-failed", Failed(steps));
        Assert.Equal($"{Member.App}-compensated", published[^1].Topic);
        Assert.True(Assert.IsType<StepCompensatedEvent>(published[^1].Message).Undone);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void It_settles_what_it_holds_of_an_order_that_names_it_or_no_step(bool named)
    {
        var steps = named ? Four : [];
        Handle("order-created", Created(steps));
        Handle("order-confirmed", Confirmed(steps));
        var holdings = Assert.Single(store.All<Member>($"{Member.App}||member:")).Holdings;
        Assert.True(holdings.Held == 0 && holdings.Consumed > 0);
    }

    private void Handle(string topic, Google.Protobuf.IMessage e) => world.Run(async () =>
    {
        await subscriptions.OnRedriven(topic)!.HandleAsync(e, default);
        return true;
    });

    private static OrderCreatedEvent Created(string[] steps) =>
        new() { OrderId = OrderId, UserId = "u", Items = { Line }, TotalAmount = 1_000, FinalAmount = 1_000, Steps = { steps } };

    private static OrderFailedEvent Failed(string[] steps) => new()
    {
        OrderId = OrderId, UserId = "u", Items = { Line }, TotalAmount = 1_000, FinalAmount = 1_000, Reason = "CANCELLED", Steps = { steps },
    };

    private static OrderConfirmedEvent Confirmed(string[] steps) => new()
    {
        OrderId = OrderId, UserId = "u", Items = { Line }, TotalAmount = 1_000, FinalAmount = 1_000,
        Steps = { steps.Select(step => new StepStatus { Name = step }) },
    };

    private static OrderLine Line => new() { ProductId = "p", Quantity = 1, UnitPrice = 1_000 };
}
