using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Saga;
using Shop.V1;

namespace Orders;

internal enum OrderStatus
{
    /// <summary>Accepted; the participants are at work.</summary>
    Pending,
    /// <summary>All three steps succeeded. Final.</summary>
    Confirmed,
    /// <summary>Final; what was done is undone.</summary>
    Failed,
    /// <summary>Its id was noted, but nobody placed it in time. There is no order; one can be placed once the id is noted again.</summary>
    Abandoned,
}

internal enum StepState
{
    /// <summary>Nothing heard yet.</summary>
    Waiting,
    Done,
    /// <summary>The participant refused; nothing was done.</summary>
    Refused,
    /// <summary>Done, then undone because the order failed.</summary>
    Undone,
    /// <summary>The order failed before the step was done; it never will be.</summary>
    Skipped,
}

/// <summary>One step as Orders knows it.</summary>
/// <param name="Reference">Reservation, payment or coupon id once done. Null before, and where there was nothing to do.</param>
/// <param name="FailureReason">Why it was refused. Null unless refused.</param>
/// <param name="Compensated">The order failed, and the participant has said that nothing is left to undo.</param>
/// <param name="AnsweredAt">When the participant answered, or the order was placed when there was nothing to do. Null: not yet.</param>
internal sealed record StepRecord(
    StepState State, string? Reference, FailureReason? FailureReason, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Compensated, DateTimeOffset? AnsweredAt)
{
    public static readonly StepRecord Waiting = new(StepState.Waiting, null, null, false, null);

    /// <summary>Done as soon as the order is placed: there is nothing to do.</summary>
    public static StepRecord NotRequired(DateTimeOffset placed) => new(StepState.Done, null, null, false, placed);
}

/// <summary>One product of an order.</summary>
/// <param name="UnitPrice">Won per piece at the moment of placing.</param>
internal sealed record Item(string ProductId, int Quantity, long UnitPrice);

/// <summary>Where it goes. Stays here: in no event and in no log.</summary>
internal sealed record Delivery(string RecipientName, string ShippingAddress, string ShippingPhone);

/// <summary>Something that happened to an order.</summary>
/// <param name="Event">The topic of the event heard or said, or the command.</param>
/// <param name="Status">The order's status after it.</param>
/// <param name="TraceId">32 hex digits; null: that of the first entry, or no trace.</param>
internal sealed record Entry(
    DateTimeOffset At, string Event, string Detail, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] OrderStatus Status, string? TraceId);

/// <summary>What an order costs, in won.</summary>
/// <param name="Final">Total less discount: what is charged.</param>
internal sealed record Amounts(long Total, long Discount, long Final);

/// <summary>An order as it is stored.</summary>
/// <param name="Content">Fingerprint of the request it was placed with.</param>
/// <param name="Failure">Why it failed. Null unless failed.</param>
/// <param name="Timeline">Oldest first; its length is the order's revision.</param>
internal sealed record Order(
    string Id, string UserId, OrderStatus Status, ImmutableArray<Item> Items, Amounts Amounts, string? UserCouponId, Delivery Delivery,
    string Content, StepRecord Stock, StepRecord Payment, StepRecord Coupon, FailureReason? Failure, DateTimeOffset Placed,
    ImmutableArray<Entry> Timeline)
{
    public static readonly ImmutableArray<Step> Steps = [Step.Stock, Step.Payment, Step.Coupon];

    public static string KeyOf(string orderId) => $"order:{orderId}";

    public StepRecord this[Step step] => step switch
    {
        Step.Stock => Stock,
        Step.Payment => Payment,
        Step.Coupon => Coupon,
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    public Order With(Step step, StepRecord record) => step switch
    {
        Step.Stock => this with { Stock = record },
        Step.Payment => this with { Payment = record },
        Step.Coupon => this with { Coupon = record },
        _ => throw new ArgumentOutOfRangeException(nameof(step)),
    };

    /// <summary>Nothing more will happen to it.</summary>
    [JsonIgnore]
    public bool IsClosed => Status switch
    {
        OrderStatus.Pending => false,
        OrderStatus.Confirmed or OrderStatus.Abandoned => true,
        OrderStatus.Failed => Steps.All(step => this[step].Compensated),
    };

    /// <summary>When it became final. Null: it is not.</summary>
    [JsonIgnore]
    public DateTimeOffset? FinalAt => Status == OrderStatus.Pending ? null : Timeline.FirstOrDefault(entry => entry.Status == Status)?.At;

    /// <summary>It was placed between <paramref name="before"/> (null: there was none) and now.</summary>
    public bool IsNewSince(Order? before) => before is null or { Status: OrderStatus.Abandoned } && Status != OrderStatus.Abandoned;

    /// <summary>It became CONFIRMED or FAILED between <paramref name="before"/> (null: there was none) and now.</summary>
    public bool IsFinalSince(Order? before) => Status is OrderStatus.Confirmed or OrderStatus.Failed && before?.Status != Status;

    [JsonIgnore]
    public DateTimeOffset LastChange => Timeline.IsEmpty ? Placed : Timeline[^1].At;
}

[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(HistoryStart))]
[JsonSerializable(typeof(HistoryHour))]
[JsonSerializable(typeof(HistoryPage))]
internal sealed partial class OrderStateJsonContext : JsonSerializerContext;
