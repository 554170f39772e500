using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Orders;

internal enum OrderStatus
{
    /// <summary>Accepted; not every participant has answered.</summary>
    Pending,
    /// <summary>All three steps succeeded. Final.</summary>
    Confirmed,
    /// <summary>A step failed, the deadline passed, or it was cancelled. Final; completed steps are compensated.</summary>
    Failed,
    /// <summary>A tombstone: its id was tracked, but no order was placed under it in time. An order can be placed once the id is tracked again.</summary>
    Abandoned,
}

internal enum StepState
{
    /// <summary>No answer yet.</summary>
    Waiting,
    /// <summary>The participant succeeded, or the order does not need the step.</summary>
    Done,
    /// <summary>The participant rejected it; nothing was done.</summary>
    Refused,
    /// <summary>Done, then compensated because the order failed.</summary>
    Undone,
    /// <summary>The order failed before the step was done; a tombstone of the participant keeps it from being done later.</summary>
    Skipped,
}

/// <summary>One step as Orders knows it.</summary>
/// <param name="Reference">Reservation, payment or coupon id once done. Null before, and for a step that is not required.</param>
/// <param name="Rejection">Why it was refused. Null unless it was.</param>
/// <param name="Compensated">The order failed, and the participant has answered that nothing is left to undo.</param>
/// <param name="AnsweredAt">When the participant first answered; for a step that is not required, when the order was placed. Null: it has not answered.</param>
internal sealed record StepRecord(
    StepState State, string? Reference, FailureReason? Rejection,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Compensated, DateTimeOffset? AnsweredAt)
{
    public static readonly StepRecord Waiting = new(StepState.Waiting, null, null, false, null);

    /// <summary>A step that the order does not need, such as the coupon of an order without one: done when the order is placed.</summary>
    public static StepRecord NotRequired(DateTimeOffset placed) => new(StepState.Done, null, null, false, placed);
}

/// <summary>One product of an order.</summary>
/// <param name="UnitPrice">Won per piece at the moment of placing.</param>
internal sealed record Item(string ProductId, int Quantity, long UnitPrice);

/// <summary>The recipient. Personal data: in no event and in no log.</summary>
internal sealed record Delivery(string RecipientName, string ShippingAddress, string ShippingPhone);

/// <summary>A change of an order.</summary>
/// <param name="Event">The topic of the event that was consumed or published.</param>
/// <param name="Status">The order's status after it.</param>
/// <param name="TraceId">32 hex digits. Null: that of the first entry, or the change was not traced.</param>
internal sealed record TimelineEntry(
    DateTimeOffset At, string Event, string Detail,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] OrderStatus Status, string? TraceId);

/// <summary>What an order costs, in won.</summary>
/// <param name="Final">Total less discount: what is charged.</param>
internal sealed record Amounts(long Total, long Discount, long Final);

/// <summary>The stored document of an order.</summary>
/// <param name="Content">Fingerprint of the request that placed it.</param>
/// <param name="Failure">Why it failed. Null unless failed.</param>
/// <param name="Timeline">Oldest first. Its length is the revision of the order.</param>
internal sealed record Order(
    string Id, string UserId, OrderStatus Status, ImmutableArray<Item> Items, Amounts Amounts, string? UserCouponId, Delivery Delivery,
    string Content, StepRecord Stock, StepRecord Payment, StepRecord Coupon, FailureReason? Failure, DateTimeOffset Placed,
    ImmutableArray<TimelineEntry> Timeline) : IHasInvariants
{
    public static readonly ImmutableArray<Step> Steps = [Step.Stock, Step.Payment, Step.Coupon];

    public static string KeyOf(string orderId) => $"order:{orderId}";

    /// <summary>The tombstone under an id that was tracked but never placed.</summary>
    public static Order Abandoned(string id, DateTimeOffset now) => new(
        id, "", OrderStatus.Abandoned, [], new(0, 0, 0), null, new("", "", ""), "", StepRecord.Waiting, StepRecord.Waiting, StepRecord.Waiting, null, now, []);

    public StepRecord this[Step step] => step switch
    {
        Step.Stock => Stock,
        Step.Payment => Payment,
        Step.Coupon => Coupon,
    };

    public Order With(Step step, StepRecord record) => step switch
    {
        Step.Stock => this with { Stock = record },
        Step.Payment => this with { Payment = record },
        Step.Coupon => this with { Coupon = record },
    };

    /// <summary>Nothing more will happen to it: confirmed, or failed and compensated by every participant.</summary>
    [JsonIgnore]
    public bool IsClosed => Status switch
    {
        OrderStatus.Pending => false,
        OrderStatus.Confirmed or OrderStatus.Abandoned => true,
        OrderStatus.Failed => Steps.All(step => this[step].Compensated),
    };

    /// <summary>When it became CONFIRMED or FAILED. Null: it is not final.</summary>
    [JsonIgnore]
    public DateTimeOffset? FinalAt => Status == OrderStatus.Pending ? null : Timeline.FirstOrDefault(entry => entry.Status == Status)?.At;

    /// <summary>True: it was placed since <paramref name="before"/>, which is null where there was no document.</summary>
    public bool IsNewSince(Order? before) => before is null or { Status: OrderStatus.Abandoned } && Status != OrderStatus.Abandoned;

    /// <summary>True: it became CONFIRMED or FAILED since <paramref name="before"/>, which is null where there was no document.</summary>
    public bool IsFinalSince(Order? before) => Status is OrderStatus.Confirmed or OrderStatus.Failed && before?.Status != Status;

    public string? FindProblem(string key) =>
        key != KeyOf(Id) ? $"it is of order '{Id}'"
        : Items.IsDefault || Items.Any(item => item is null) || Timeline.IsDefault || Timeline.Any(entry => entry is null) ? "an item or a change is null"
        : Status == OrderStatus.Abandoned ? null
        : Items.IsEmpty || Timeline.IsEmpty ? "it has no items, or no history"
        // Not negative, so that the difference does not overflow.
        : Amounts is not { Total: >= 0, Discount: >= 0, Final: >= 0 } || Amounts.Final != Amounts.Total - Amounts.Discount ? "its amounts do not add up"
        : Status != OrderStatus.Pending && FinalAt is null ? "its end is not in its history"
        : (Status == OrderStatus.Failed) != Failure is not null ? "its failure contradicts its status"
        : Steps.Any(step => this[step] is { State: StepState.Done, AnsweredAt: null }) ? "a step is done without an answer"
        : Status == OrderStatus.Confirmed && Steps.Any(step => this[step].State != StepState.Done) ? "it is confirmed, and a step is not done"
        : null;

    [JsonIgnore]
    public DateTimeOffset LastChange => Timeline.IsEmpty ? Placed : Timeline[^1].At;
}

[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(HistoryStart))]
[JsonSerializable(typeof(HistoryHour))]
[JsonSerializable(typeof(HistoryPage))]
internal sealed partial class OrderStateJsonContext : JsonSerializerContext;
