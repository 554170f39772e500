using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>Valid events about an order that exists, with lines that it does not have: an order has one reservation, and nothing else of it stays held or sold.</summary>
public sealed class ForgedLinesTests
{
    private const string OrderId = "0198c0de-abcd-7000-8000-0000000000ef";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static readonly ImmutableArray<ReservationLine> Ordered = [new("p", 2)], Forged = [new("q", 5)];

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly Participant<Product> participant;
    private readonly ReservationSweep<Product> sweep;
    private OrderOutcome outcome = OrderOutcome.Pending;

    public ForgedLinesTests()
    {
        var sidecar = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
        var documents = DocumentStore.Create(sidecar, new ConflictBackoff(world.Clock, world.Chance));
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        participant = new(documents, sidecar, Product.KeyOf, openOrders, world.Clock);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        sweep = new(
            participant, sidecar, openOrders, (_, _) => Task.FromResult(outcome), Deadline, deadLetters, world.Clock,
            NullLogger<ReservationSweep<Product>>.Instance);
        foreach (var id in (string[])["p", "q"]) store.TryWrite($"stock||{Product.KeyOf(id)}", new Product(id, "", 1, Holdings.Of(10), []), "");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_second_order_created_takes_is_released_when_the_order_is_final(bool confirmed)
    {
        Reserve(Ordered);
        Reserve(Forged);
        if (confirmed) Settle(Ordered);
        else Release(Ordered);
        outcome = confirmed ? OrderOutcome.Confirmed : OrderOutcome.Closed;
        Sweep();
        Assert.Equal(confirmed ? new Level(Available: 8, Consumed: 2) : new Level(Available: 10), Of("p"));
        Assert.Equal(new Level(Available: 10), Of("q"));
    }

    [Fact]
    public void Of_two_order_confirmed_with_other_lines_one_settles()
    {
        Reserve(Ordered);
        Reserve(Forged);
        Settle(Ordered);
        Settle(Forged);
        Assert.Equal(new Level(Available: 8, Consumed: 2), Of("p"));
        Assert.Equal(new Level(Available: 10), Of("q"));
    }

    [Fact]
    public void An_order_confirmed_with_a_line_too_many_settles_nothing()
    {
        Reserve(Ordered);
        Assert.Throws<UnprocessableEventException>(() => Settle([.. Ordered, .. Forged]));
        Assert.Equal(new Level(Available: 8, Held: 2), Of("p"));
        Release(Ordered);
        Assert.Equal(new Level(Available: 10), Of("p"));
        Assert.Equal(new Level(Available: 10), Of("q"));
    }

    [Fact]
    public void A_repeated_order_created_with_another_amount_takes_nothing_more()
    {
        Reserve(Ordered);
        Assert.Equal(Ordered.AsEnumerable(), Reserve([new("p", 7)]).Lines);
        Assert.Equal(new Level(Available: 8, Held: 2), Of("p"));
        Settle([new("p", 7)]);
        Assert.Equal(new Level(Available: 8, Consumed: 2), Of("p"));
        Assert.Equal(Ordered.AsEnumerable(), Assert.Single(store.All<Reservation>("stock||reservation:")).Lines);
    }

    [Fact]
    public void A_document_that_too_many_open_orders_hold_rejects_the_next()
    {
        var marks = Enumerable.Range(0, 5_000).Select(at => KeyValuePair.Create(new Guid(at, 0, 0, new byte[8]).ToString(), new ReservationMark(MarkState.Reserved)));
        store.Delete($"stock||{Product.KeyOf("p")}");
        store.TryWrite($"stock||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(10) with { Marks = marks.ToImmutableSortedDictionary() }, []), "");
        Assert.Equal("TOO_MANY_OPEN_ORDERS", Reserve(Ordered).Failure.Reason);
        Assert.Equal(new Level(Available: 10), Of("p"));
    }

    private Level Of(string product) => Level.From(((Product)store.Read($"stock||{Product.KeyOf(product)}").Value!).Holdings);

    private Reservation Reserve(ImmutableArray<ReservationLine> lines) => world.Run(() => participant.ReserveAsync(OrderId, lines, StockDecisions.Reject, default));

    private void Release(ImmutableArray<ReservationLine> lines) => world.Run(() => participant.ReleaseAsync(OrderId, lines, default));

    private void Settle(ImmutableArray<ReservationLine> lines) => world.Run(() => participant.SettleAsync(OrderId, lines, default));

    private void Sweep()
    {
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + Deadline);
        world.Run(async () =>
        {
            await sweep.RunAsync(default);
            return true;
        });
    }
}
