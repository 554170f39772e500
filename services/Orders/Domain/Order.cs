using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Orders;

internal enum OrderStatus
{
    /// <summary>Accepted; not every participant has answered.</summary>
    Pending,
    /// <summary>Every step succeeded. Final.</summary>
    Confirmed,
    /// <summary>A step failed, the deadline passed, or it was cancelled. Final; completed steps are compensated.</summary>
    Failed,
    /// <summary>A tombstone: its id was tracked, but no order was placed under it in time. An order can be placed once the id is tracked again.</summary>
    Abandoned,
}

/// <summary>How an order is carried out.</summary>
internal enum SagaPattern
{
    /// <summary>By events: each participant acts on order-created, and Orders collects their answers.</summary>
    Choreography,
    /// <summary>By calls: Orders asks one participant after the other, and releases in reverse.</summary>
    Orchestration,
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
    /// <summary>
    /// The order failed before the step was done; a tombstone of the participant keeps it from being done later. Or the step was removed from the
    /// saga while the order waited for it.
    /// </summary>
    Skipped,
}

/// <summary>One step as Orders knows it.</summary>
/// <param name="Reference">Reservation, payment or coupon id once done. Null before, and for a step that is not required.</param>
/// <param name="Rejection">Why it was refused. Null unless it was.</param>
/// <param name="Compensated">The order failed, and the participant has answered that nothing is left to undo; or the step was removed from the saga.</param>
/// <param name="AnsweredAt">When the participant first answered; for a step that is not required, when the order was placed. Null: it has not answered.</param>
/// <param name="Name">The name of the <see cref="Step"/>.</param>
internal sealed record StepRecord(
    StepState State, string? Reference, FailureReason? Rejection,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Compensated, DateTimeOffset? AnsweredAt, string Name = "")
{
    /// <summary>The step that it is of.</summary>
    [JsonIgnore]
    public Step Step => Step.Of(Name);

    public static StepRecord Waiting(Step step) => new(StepState.Waiting, null, null, false, null, step.Name);

    /// <summary>A step that the order does not need, such as the coupon of an order without one: done when the order is placed.</summary>
    public static StepRecord NotRequired(Step step, DateTimeOffset placed) => new(StepState.Done, null, null, false, placed, step.Name);
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
/// <param name="Steps">What it waits for, and answers of steps that it does not wait for.</param>
/// <param name="Pattern">Choreography in documents of version 1, which lack it.</param>
internal sealed record Order(
    string Id, string UserId, OrderStatus Status, ImmutableArray<Item> Items, Amounts Amounts, string? UserCouponId, Delivery Delivery,
    string Content, FailureReason? Failure, DateTimeOffset Placed, ImmutableArray<TimelineEntry> Timeline, ImmutableArray<StepRecord> Steps = default,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] SagaPattern Pattern = SagaPattern.Choreography)
    : IHasInvariants
{
    private const int QuantityMax = 1_000;
    private const long UnitPriceMax = 1_000_000_000;

    private ImmutableArray<StepRecord> steps = Steps.IsDefault ? [] : Steps;
    private bool isOfVersion1;

    public ImmutableArray<StepRecord> Steps { get => steps; init => steps = value; }

    public static string KeyOf(string orderId) => $"order:{orderId}";

    /// <summary>The tombstone under an id that was tracked but never placed.</summary>
    public static Order Abandoned(string id, DateTimeOffset now) => new(
        id, "", OrderStatus.Abandoned, [], new(0, 0, 0), null, new("", "", ""), "", null, now, []);

    /// <summary>Null: the order does not wait for this step, and it has not answered.</summary>
    public StepRecord? this[Step step] => Steps.FirstOrDefault(record => record.Name == step.Name);

    /// <summary>The record takes the place of that of the same step, or is added.</summary>
    public Order With(StepRecord record) =>
        this with { Steps = this[record.Step] is { } before ? Steps.Replace(before, record) : Steps.Add(record) };

    /// <summary>Nothing more will happen to it: confirmed, or failed and compensated by every participant.</summary>
    [JsonIgnore]
    public bool IsClosed => Status switch
    {
        OrderStatus.Pending => false,
        OrderStatus.Confirmed or OrderStatus.Abandoned => true,
        OrderStatus.Failed => Steps.All(step => step.Compensated),
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
        : Timeline.FirstOrDefault(entry => !DocumentId.IsTrace(entry.TraceId)) is { TraceId: var trace } ? $"'{trace}' in it is no trace"
        : Status == OrderStatus.Abandoned ? null
        : Items.IsEmpty || Timeline.IsEmpty ? "it has no items, or no history"
        : FindWrongId() is { } id ? $"'{id}' in it is no id"
        : Items.Any(item => item is not { Quantity: >= 1 and <= QuantityMax, UnitPrice: >= 0 and <= UnitPriceMax })
            ? "an item has a quantity or price out of range"
        : Items.DistinctBy(item => item.ProductId).Count() < Items.Length ? "it has a product twice"
        // Not negative, so that the difference does not overflow.
        : Amounts is not { Total: >= 0, Discount: >= 0, Final: >= 0 } || Amounts.Final != Amounts.Total - Amounts.Discount ? "its amounts do not add up"
        : Amounts.Total != Items.Sum(item => item.Quantity * item.UnitPrice) ? "its total is not the sum of its items"
        : Status != OrderStatus.Pending && FinalAt is null ? "its end is not in its history"
        : (Status == OrderStatus.Failed) != Failure is not null ? "its failure contradicts its status"
        // Unchanged, version 1 can read it, and close it.
        : isOfVersion1 && !IsClosed ? "it is still open, as version 1 stored it (docs/upgrading.md)"
        : Steps.IsEmpty || Steps.Any(step => step is null || step.Name.Length == 0) ? "it has no steps, or one without a name"
        : Steps.DistinctBy(step => step.Name).Count() < Steps.Length ? "it has a step twice"
        : Steps.Any(step => step is { State: StepState.Done, AnsweredAt: null }) ? "a step is done without an answer"
        : Status == OrderStatus.Confirmed && !IsComplete ? "it is confirmed, and a step is not done"
        : null;

    /// <returns>An id in it that no service would have written. Null: there is none.</returns>
    private string? FindWrongId() =>
        !DocumentId.IsOfOrder(Id) ? Id
        : Items.Select(item => item.ProductId).Append(UserId).Append(UserCouponId ?? UserId).FirstOrDefault(id => !DocumentId.IsValid(id));

    /// <summary>No step is left that it has to wait for, and none was refused.</summary>
    [JsonIgnore]
    public bool IsComplete => Steps.All(step => step.State is StepState.Done or StepState.Skipped);

    [JsonIgnore]
    public DateTimeOffset LastChange => Timeline.IsEmpty ? Placed : Timeline[^1].At;

    // In documents of version 1 each step is a member of its own.
    [JsonInclude, JsonPropertyName("stock")]
    internal StepRecord? StockOfVersion1 { get => null; set => steps = WithVersion1(value, Step.Stock); }

    [JsonInclude, JsonPropertyName("payment")]
    internal StepRecord? PaymentOfVersion1 { get => null; set => steps = WithVersion1(value, Step.Payment); }

    [JsonInclude, JsonPropertyName("coupon")]
    internal StepRecord? CouponOfVersion1 { get => null; set => steps = WithVersion1(value, Step.Coupon); }

    private ImmutableArray<StepRecord> WithVersion1(StepRecord? record, Step step)
    {
        if (record is null) return Steps;
        isOfVersion1 = true;
        return Steps.Add(record with { Name = step.Name });
    }
}

[JsonSerializable(typeof(Order))]
[JsonSerializable(typeof(PlacedKey))]
[JsonSerializable(typeof(HistoryStart))]
[JsonSerializable(typeof(HistoryHour))]
[JsonSerializable(typeof(HistoryPage))]
internal sealed partial class OrderStateJsonContext : JsonSerializerContext;
