using System.Collections.Immutable;
using Saga.Commands;
using Saga.Reservations;
using Shop.V1;

namespace Points;

/// <summary>The decisions of Points. Pure.</summary>
internal static class PointsDecisions
{
    /// <summary>Points of one user, at most.</summary>
    public const long PointsMax = 100_000;

    /// <summary>1 % of what the order costs.</summary>
    public static ImmutableArray<ReservationLine> ToLines(OrderCreatedEvent order) =>
        order.FinalAmount >= 100 ? [new(order.UserId, order.FinalAmount / 100)] : [];

    public static FailureReason? Reject(Member? member, ReservationLine line) => member is { Holdings.Available: var left } && left < line.Amount
        ? new("TOO_MANY_POINTS", $"User '{line.ResourceId}' may earn {left:N0} more points, and the order has {line.Amount:N0}.")
        : null;

    public static Member Create(string userId) => new(userId, Holdings.Of(PointsMax));
}
