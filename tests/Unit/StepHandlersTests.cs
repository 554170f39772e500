using System.Collections.Immutable;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests;

/// <summary>A participant that joined while orders were under way, or is not in Saga__Steps, gets events of orders that never waited for it.</summary>
public sealed class StepHandlersTests : IDisposable
{
    private const string OrderId = "0198c0de-abcd-7000-8000-0000000000ef";

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly EventDispatcher dispatcher;

    /// <summary>Instead of those of the decisions. Null: these.</summary>
    private ImmutableArray<ReservationLine>? lines;

    private Func<Member?, ReservationLine, FailureReason?>? reject;

    public StepHandlersTests()
    {
        var sidecar = new SimulatedSidecar(world, store, Member.App, null, () => SidecarFaults.None, () => false, _ => { });
        var documents = DocumentStore.Create(sidecar, new ConflictBackoff(world.Clock, world.Chance));
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        var participant = new Participant<Member>(documents, sidecar, Member.KeyOf, openOrders, world.Clock);
        var step = new StepHandlers<Member>(
            participant, documents, sidecar, Member.KeyOf, (_, _) => Task.FromResult(OrderOutcome.Confirmed), new(Member.App),
            Member.Decisions with { ToLines = order => lines is { } other ? other : Member.Decisions.ToLines(order), Reject = (member, line) => (reject ?? Member.Decisions.Reject)(member, line) },
            NullLogger.Instance);
        dispatcher = new(step.SubscribeTo(new()), new(documents, sidecar, new(documents, sidecar), new(Member.App), world.Clock), new(Member.App), world.Clock,
            NullLogger<EventDispatcher>.Instance);
    }

    private int DeadLetters => store.All<DeadLetter>($"{Member.App}||dead-letter:").Count();

    public void Dispose() => dispatcher.Dispose();

    [Theory, InlineData(true), InlineData(false)]
    public void A_confirmed_order_that_did_not_wait_for_the_step_is_no_dead_letter(bool isRefused)
    {
        // 13,000 won are 130 points, more than a member may have.
        if (isRefused) Dispatch(new OrderCreatedEvent { OrderId = OrderId, UserId = "u", Items = { Line(13_000) }, TotalAmount = 13_000, FinalAmount = 13_000 });
        Dispatch(Confirmed(13_000, "stock", "payments"));
        Assert.Equal(0, DeadLetters);
        Assert.Equal((0, 0), (Points?.Held ?? 0, Points?.Consumed ?? 0));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void What_it_holds_for_an_order_is_settled_whether_the_order_waited_for_it_or_not(bool isNamed)
    {
        Dispatch(new OrderCreatedEvent { OrderId = OrderId, UserId = "u", Items = { Line(500) }, TotalAmount = 500, FinalAmount = 500 });
        Dispatch(isNamed ? Confirmed(500, "stock", Member.App) : Confirmed(500, "stock"));
        Assert.Equal((0, 5), (Points!.Held, Points.Consumed));
    }

    [Fact]
    public void An_order_that_waited_for_the_step_and_has_no_reservation_is_a_contradiction()
    {
        Dispatch(Confirmed(500, "stock", Member.App));
        Assert.Equal(1, DeadLetters);
    }

    [Theory]
    [InlineData("default"), InlineData("twice"), InlineData("no id"), InlineData("null")]
    public void Wrong_lines_hold_nothing_and_keep_no_order_open(string fault)
    {
        lines = fault switch
        {
            "default" => default(ImmutableArray<ReservationLine>),
            "twice" => [new("u", 1), new("u", 2)],
            "no id" => [new("Köln", 1)],
            _ => [null!],
        };
        Dispatch(new OrderCreatedEvent { OrderId = OrderId, UserId = "u", Items = { Line(500) }, TotalAmount = 500, FinalAmount = 500 });
        Assert.Equal(fault == "default" ? 0 : 1, DeadLetters);
        Dispatch(new OrderFailedEvent { OrderId = OrderId, UserId = "u", Items = { Line(500) }, TotalAmount = 500, FinalAmount = 500, Reason = "CANCELLED" });
        Assert.Equal(fault == "default" ? 0 : 1, DeadLetters);
        Assert.Equal(0, Points?.Held ?? 0);
        Assert.Empty(store.All<Reservation>($"{Member.App}||reservation:"));
    }

    [Theory]
    [InlineData("none", "the decision does not reject it")]
    [InlineData("OUT OF STOCK", "'OUT OF STOCK' is no reason")]
    public void A_decision_that_cannot_be_carried_out_is_a_dead_letter_with_the_reason(string reason, string problem)
    {
        // 13,000 won are 130 points, more than a member may have.
        reject = (_, _) => reason == "none" ? null : new(reason, "So it is.");
        Dispatch(new OrderCreatedEvent { OrderId = OrderId, UserId = "u", Items = { Line(13_000) }, TotalAmount = 13_000, FinalAmount = 13_000 });
        Assert.Contains(problem, Assert.Single(store.All<DeadLetter>($"{Member.App}||dead-letter:")).Problem);
        Assert.Equal(0, Points?.Held ?? 0);
    }

    private Holdings? Points => ((Member?)store.Read($"{Member.App}||{Member.KeyOf("u")}").Value)?.Holdings;

    private void Dispatch(IMessage message)
    {
        var e = new OutgoingEvent(OrderId, message);
        Assert.Equal(Status.Success, world.Run(() => dispatcher.DispatchAsync(new(e.Topic, e.Id, ByteString.CopyFrom(e.ToJson())), default)));
    }

    private static OrderConfirmedEvent Confirmed(long amount, params string[] steps) => new()
    {
        OrderId = OrderId, UserId = "u", Items = { Line(amount) }, TotalAmount = amount, FinalAmount = amount,
        Steps = { steps.Select(step => new StepStatus { Name = step }) },
    };

    private static OrderLine Line(long price) => new() { ProductId = "p", Quantity = 1, UnitPrice = price };
}
