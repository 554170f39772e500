using Google.Protobuf.WellKnownTypes;
using Wire = Shop.V1;

namespace Orders;

/// <summary>Maps orders to their protobuf messages.</summary>
internal static class OrderMapping
{
    public static Wire.Order From(Order order)
    {
        var wire = new Wire.Order
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
    public static Wire.Order WithoutRecipient(Order order)
    {
        var wire = From(order);
        (wire.RecipientName, wire.ShippingAddress, wire.ShippingPhone) = ("", "", "");
        return wire;
    }

    /// <param name="revision">From 1.</param>
    public static Wire.TimelineEntry From(Order order, int revision)
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

    public static Wire.OrderStatus From(OrderStatus status) => status switch
    {
        OrderStatus.Pending => Wire.OrderStatus.Pending,
        OrderStatus.Confirmed => Wire.OrderStatus.Confirmed,
        OrderStatus.Failed => Wire.OrderStatus.Failed,
        OrderStatus.Abandoned => Wire.OrderStatus.Unspecified,
    };

    private static Wire.SagaPattern From(SagaPattern pattern) => pattern switch
    {
        SagaPattern.Choreography => Wire.SagaPattern.Choreography,
        SagaPattern.Orchestration => Wire.SagaPattern.Orchestration,
    };

    private static Wire.StepProgress From(StepRecord record) => new()
    {
        Step = record.Step.Wire,
        Name = record.Name,
        State = record.State switch
        {
            StepState.Waiting => Wire.StepState.Waiting,
            StepState.Done => Wire.StepState.Done,
            StepState.Refused => Wire.StepState.Refused,
            StepState.Undone => Wire.StepState.Undone,
            StepState.Skipped => Wire.StepState.Skipped,
        },
        Reason = record.Rejection?.Reason ?? "",
        Detail = record.Rejection?.Detail ?? "",
        Reference = record.Reference ?? "",
        Compensated = record.Compensated,
    };
}
