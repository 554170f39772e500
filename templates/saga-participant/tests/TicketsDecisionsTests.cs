using Saga.Reservations;
using Shop.V1;

namespace Tickets;

public sealed class TicketsDecisionsTests
{
    private static readonly ReservationLine One = Assert.Single(TicketsDecisions.ToLines(new OrderCreatedEvent { UserId = "u" }));

    [Fact]
    public void AnOrderTakesOne() => Assert.Equal(1, One.Amount);

    [Fact]
    public void ItIsTakenWhileThereAreSome()
    {
        Assert.Null(TicketsDecisions.Reject(new(Holdings.Of(1)), One));
        Assert.Equal("NONE_LEFT", TicketsDecisions.Reject(new(Holdings.Of(0)), One)?.Reason);
        Assert.Equal("NONE_LEFT", TicketsDecisions.Reject(null, One)?.Reason);
    }
}
