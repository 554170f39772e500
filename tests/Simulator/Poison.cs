using Google.Protobuf;
using Shop.V1;

namespace Saga.Tests;

/// <summary>Events that no service publishes, but that any client of a sidecar can.</summary>
internal static class Poison
{
    /// <summary>Every kind of poison, with its description.</summary>
    /// <param name="known">The id of an order that exists.</param>
    /// <param name="unknown">The id of an order that does not exist.</param>
    public static IReadOnlyList<(string Kind, Func<IMessage> Create)> All(string known, string unknown) =>
    [
        ("a reply for an order that does not exist", () => new StockReservedEvent { OrderId = unknown, ReservationId = $"rsv-{unknown}" }),
        ("a refusal for an order that does not exist", () => new PaymentFailedEvent { OrderId = unknown, Reason = "BALANCE_TOO_LOW", Detail = "none" }),
        ("a compensation of an order that does not exist", () => new CouponRestoredEvent { OrderId = unknown, Undone = true }),
        ("a confirmation of an order without a reservation", () => Confirmed(unknown, order => order.UserCouponId = "c0")),
        ("an empty event", () => new OrderCreatedEvent()),
        ("an empty reply", () => new StockReservedEvent()),
        ("an empty failure", () => new OrderFailedEvent()),
        ("an empty confirmation", () => new OrderConfirmedEvent()),
        ("no order id", () => Created(known, order => order.OrderId = "")),
        ("a foreign order id", () => Created(known, order => order.OrderId = "order-7")),
        ("a known order id in capitals", () => Created(known, order => order.OrderId = known.ToUpperInvariant())),
        ("a known order id in braces", () => Created(known, order => order.OrderId = $"{{{known}}}")),
        ("an order id that no state store takes", () => Created(known, order => order.OrderId = "evil||1")),
        ("a product id that no state store takes", () => Created(known, order => order.Items[0].ProductId = "evil||1")),
        ("a user id that no state store takes", () => Created(known, order => order.UserId = "evil||1")),
        ("a coupon id that is empty", () => Created(known, order => order.UserCouponId = "")),
        ("no user", () => Created(known, order => order.UserId = "")),
        ("no items", () => Created(known, order => order.Items.Clear())),
        ("nothing of a product", () => Created(known, order => order.Items[0].Quantity = 0)),
        ("less than nothing of a product", () => Created(known, order => order.Items[0].Quantity = -3)),
        ("far too much of a product", () => Created(known, order => order.Items[0].Quantity = int.MaxValue)),
        ("a product twice", () => Created(known, order => order.Items.Add(order.Items[0].Clone()))),
        ("a price below zero", () => Created(known, order => order.Items[0].UnitPrice = -1_000)),
        ("a total that is not the sum", () => Created(known, order => order.TotalAmount++)),
        ("a discount above the total", () => Created(known, order => (order.DiscountAmount, order.FinalAmount) = (2_000, -1_000))),
        ("a final amount that is not what is left", () => Created(known, order => order.FinalAmount = 1)),
        ("a failure with a negative quantity", () => Failed(known, order => order.Items[0].Quantity = -3)),
        ("a failure with a step that is unknown", () => Failed(known, order => order.CompletedSteps.Add((Shop.V1.Step)77))),
        ("a failure without a reason", () => Failed(known, order => order.Reason = "")),
        ("a failure with a detail of a megabyte", () => Failed(known, order => order.Detail = new string('x', 1_000_000))),
        ("a confirmation with a step that is unknown",
            () => Confirmed(known, order => order.Steps.Add(new StepStatus { Step = (Shop.V1.Step)77 }))),
        ("a confirmation without items", () => Confirmed(known, order => order.Items.Clear())),
        ("a confirmation with a negative quantity", () => Confirmed(known, order => order.Items[0].Quantity = -3)),
        ("a confirmation of more than was paid", () => Confirmed(known, order => order.Items[0].Quantity = 2)),
        ("a refusal whose reason is no code", () => new StockReservationFailedEvent { OrderId = known, Reason = "because", Detail = "x" }),
        ("a payment of another amount than the order costs", () => new PaymentCompletedEvent { OrderId = known, PaymentId = $"pay-{known}", Amount = 1 }),
        ("a coupon that the order does not have", () => new CouponUsedEvent { OrderId = known, UserCouponId = "not-of-this-order" }),
        ("a success of a fourth participant for an order that does not exist", () => new StepSucceededEvent { OrderId = unknown, Step = Member.App }),
        ("a compensation of a fourth participant without an order", () => new StepCompensatedEvent { Step = Member.App, Undone = true }),
        ("a reservation without an id", () => new StockReservedEvent { OrderId = known }),
    ];

    /// <summary>A well-formed order that Orders does not know: the participants reserve for it, and release once their sweep has asked Orders.</summary>
    public static OrderCreatedEvent Forged(string orderId) => new()
    {
        OrderId = orderId, UserId = "u0", Items = { new OrderLine { ProductId = "p0", Quantity = 1, UnitPrice = 1_000 } },
        TotalAmount = 1_000, FinalAmount = 1_000,
    };

    private static OrderCreatedEvent Created(string orderId, Action<OrderCreatedEvent> spoil)
    {
        var order = Forged(orderId);
        spoil(order);
        return order;
    }

    private static OrderConfirmedEvent Confirmed(string orderId, Action<OrderConfirmedEvent> spoil)
    {
        var order = new OrderConfirmedEvent
        {
            OrderId = orderId, UserId = "u0", Items = { new OrderLine { ProductId = "p0", Quantity = 1, UnitPrice = 1_000 } },
            TotalAmount = 1_000, FinalAmount = 1_000,
        };
        spoil(order);
        return order;
    }

    private static OrderFailedEvent Failed(string orderId, Action<OrderFailedEvent> spoil)
    {
        var order = new OrderFailedEvent
        {
            OrderId = orderId, UserId = "u0", Items = { new OrderLine { ProductId = "p0", Quantity = 1, UnitPrice = 1_000 } },
            TotalAmount = 1_000, FinalAmount = 1_000,
            Reason = "CANCELLED",
        };
        spoil(order);
        return order;
    }
}
