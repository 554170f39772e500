using System.Collections.Immutable;
using Shop.V1;

namespace Orders;

/// <summary>A step of the saga: the part of one participant in an order. Its answers are recognised by their topics.</summary>
/// <param name="Name">The app id of the participant.</param>
/// <param name="Code">For programs, in upper case.</param>
/// <param name="Participant">For people.</param>
internal sealed record Step(
    string Name, string Code, string Participant, string SuccessTopic, string FailureTopic, string CompensationTopic, Shop.V1.Step Contract)
{
    public static readonly Step
        Stock = Own("stock", "Stock", nameof(StockReservedEvent), nameof(StockReservationFailedEvent), nameof(StockReleasedEvent), Shop.V1.Step.Stock),
        Payment = Own("payments", "Payments", nameof(PaymentCompletedEvent), nameof(PaymentFailedEvent), nameof(PaymentRefundedEvent), Shop.V1.Step.Payment),
        Coupon = Own("coupons", "Coupons", nameof(CouponUsedEvent), nameof(CouponUsageFailedEvent), nameof(CouponRestoredEvent), Shop.V1.Step.Coupon);

    /// <summary>The steps whose answers are events of their own; those of all others are StepSucceededEvent and its siblings.</summary>
    private static readonly ImmutableArray<Step> WithOwnEvents = [Stock, Payment, Coupon];

    /// <summary>True: its answers are StepSucceededEvent, StepFailedEvent and StepCompensatedEvent.</summary>
    public bool HasSharedEvents => Contract == Shop.V1.Step.Unspecified;

    /// <summary>The step of a participant, whether it is configured or not.</summary>
    public static Step Of(string name) => WithOwnEvents.FirstOrDefault(step => step.Name == name) ?? new(
        name, name.ToUpperInvariant().Replace('-', '_'), $"{char.ToUpperInvariant(name[0])}{name[1..]}",
        OutgoingEvent.GetSuccessTopic(name), OutgoingEvent.GetFailureTopic(name), OutgoingEvent.GetCompensationTopic(name), Shop.V1.Step.Unspecified);

    private static Step Own(string name, string participant, string success, string failure, string compensation, Shop.V1.Step contract) => new(
        name, contract.ToString().ToUpperInvariant(), participant,
        OutgoingEvent.GetTopic(success), OutgoingEvent.GetTopic(failure), OutgoingEvent.GetTopic(compensation), contract);
}

/// <summary>The steps of a new order, as Saga:Steps has them.</summary>
internal sealed record SagaSteps(ImmutableArray<Step> All)
{
    public static readonly SagaSteps Default = new([Step.Stock, Step.Payment, Step.Coupon]);

    public static SagaSteps Of(IReadOnlyList<string> names) => new([.. names.Select(Step.Of)]);

    /// <summary>True: the app is a participant now, or one with events of its own, which goes on holding for orders that do not name its step.</summary>
    public bool Has(string appId) => All.Any(step => step.Name == appId) || !Step.Of(appId).HasSharedEvents;

    /// <param name="userCouponId">Null: the order has no coupon, and that step is done.</param>
    public ImmutableArray<StepRecord> For(string? userCouponId, DateTimeOffset placed) =>
        [.. All.Select(step => step == Step.Coupon && userCouponId is null ? StepRecord.NotRequired(step, placed) : StepRecord.Waiting(step))];
}
