using Google.Protobuf.WellKnownTypes;

namespace Orders;

/// <summary>Maps orders to their protobuf messages.</summary>
internal static class OrderMapping
{
    public static Shop.V1.Order From(Order order)
    {
        var wire = new Shop.V1.Order
        {
            OrderId = order.Id,
            OrderNumber = OrderNumber.FromId(Guid.Parse(order.Id)),
            UserId = order.UserId,
            Status = From(order.Status),
            Items = { order.Items.Select(OrderDecisions.ToLine) },
            TotalAmount = order.Amounts.Total,
            DiscountAmount = order.Amounts.Discount,
            FinalAmount = order.Amounts.Final,
            RecipientName = order.Delivery.RecipientName,
            ShippingAddress = order.Delivery.ShippingAddress,
            ShippingPhone = order.Delivery.ShippingPhone,
            Steps = { order.Steps.Select(From) },
            Reason = order.Failure?.Reason ?? "",
            Detail = order.Failure?.Detail ?? "",
            PlacedTime = Timestamp.FromDateTimeOffset(order.Placed),
            FinalTime = order.FinalAt is { } final ? Timestamp.FromDateTimeOffset(final) : null,
            Revision = order.Timeline.Length,
            IsClosed = order.IsClosed,
            Compensation = Explanation.GetCompensation(order),
            Pattern = From(order.Pattern),
        };
        if (order.UserCouponId is { } coupon) wire.UserCouponId = coupon;
        return wire;
    }

    /// <summary>Without personal data.</summary>
    public static Shop.V1.Order WithoutRecipient(Order order)
    {
        var wire = From(order);
        (wire.RecipientName, wire.ShippingAddress, wire.ShippingPhone) = ("", "", "");
        return wire;
    }

    /// <param name="revision">From 1.</param>
    public static Shop.V1.TimelineEntry From(Order order, int revision)
    {
        var entry = order.Timeline[revision - 1];
        return new()
        {
            Revision = revision,
            Time = Timestamp.FromDateTimeOffset(entry.At),
            AfterMs = (long)(entry.At - order.Placed).TotalMilliseconds,
            Event = entry.Event,
            Detail = entry.Detail,
            Status = From(entry.Status),
            TraceId = entry.TraceId ?? order.Timeline[0].TraceId ?? "",
        };
    }

    public static Shop.V1.OrderStatus From(OrderStatus status) => status switch
    {
        OrderStatus.Pending => Shop.V1.OrderStatus.Pending,
        OrderStatus.Confirmed => Shop.V1.OrderStatus.Confirmed,
        OrderStatus.Failed => Shop.V1.OrderStatus.Failed,
        OrderStatus.Abandoned => Shop.V1.OrderStatus.Unspecified,
    };

    private static Shop.V1.SagaPattern From(SagaPattern pattern) => pattern switch
    {
        SagaPattern.Choreography => Shop.V1.SagaPattern.Choreography,
        SagaPattern.Orchestration => Shop.V1.SagaPattern.Orchestration,
    };

    private static Shop.V1.StepProgress From(StepRecord record) => new()
    {
        Step = record.Step.Contract,
        Name = record.Name,
        State = record.State switch
        {
            StepState.Waiting => Shop.V1.StepState.Waiting,
            StepState.Done => Shop.V1.StepState.Done,
            StepState.Refused => Shop.V1.StepState.Refused,
            StepState.Undone => Shop.V1.StepState.Undone,
            StepState.Skipped => Shop.V1.StepState.Skipped,
        },
        Reason = record.Rejection?.Reason ?? "",
        Detail = record.Rejection?.Detail ?? "",
        Reference = record.Reference ?? "",
        Compensated = record.Compensated,
    };
}
