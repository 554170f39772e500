using System.Collections.Immutable;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;

namespace Saga.Tests;

/// <summary>The reservation protocol on the simulated store, one hazard at a time.</summary>
public sealed class ParticipantTests
{
    private static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(StockJsonContext.Default);

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private int failAt = -1;
    private bool failAfter;
    private int operations;

    [Fact]
    public void Orders_for_a_document_that_is_missing_are_not_remembered_without_bound()
    {
        var marks = new ArchivedMarks();
        for (var number = 1; number <= 10_001; number++) marks.Add("product:missing", $"{number}");
        var all = Enumerable.Range(1, 10_001).ToImmutableSortedDictionary(number => $"{number}", _ => new ReservationMark(MarkState.Voided));
        Assert.Equal(["10001"], marks.Of("product:missing", all));
    }

    [Fact]
    public void Reserving_twice_reserves_once()
    {
        Put("p", 10);
        Assert.Equal(Reserve("o", ("p", 3)), Reserve("o", ("p", 3)), ByContent);
        Assert.Equal(new Level(Available: 7, Held: 3), Of("p"));
    }

    [Fact]
    public void A_reservation_of_more_pieces_than_the_contract_has_is_reported_as_corrupt_and_not_with_another_number()
    {
        const string Order = "0198c0de-0000-7000-8000-0000000000ab";
        Put("p", 5_000_000_000);
        Assert.True(Reserve(Order, ("p", 3_000_000_000)).WasReserved);
        var service = new StockService(Behind(), null!, null!, null!, null!, Stock);
        var corrupt = Assert.Throws<CorruptDocumentException>(() => world.Run(() => service.GetReservation(new() { OrderId = Order }, new Call(""))));
        Assert.Equal($"The reservation of order {Order} is corrupt: it has 3000000000 pieces of p.", corrupt.Message);
    }

    [Fact]
    public void A_rejection_stands_even_when_there_is_enough_later()
    {
        Put("p", 1);
        Assert.Equal(ReservationStatus.Rejected, Reserve("o", ("p", 3)).Status);
        Put("p", 100);
        Assert.Equal(ReservationStatus.Rejected, Reserve("o", ("p", 3)).Status);
        Assert.Equal(new Level(Available: 100), Of("p"));
    }

    /// <summary>The answer of the one delivery may reach Orders before that of the other.</summary>
    [Fact, Trait("Hazard", "H33")]
    public void A_rejection_without_a_document_does_not_release_what_a_later_delivery_reserves()
    {
        Put("a", 10);
        Assert.Equal("PRODUCT_NOT_FOUND", Reserve("o", ("a", 2), ("b", 1)).Failure.Reason);
        Assert.Equal(new Level(Available: 8, Held: 2), Of("a"));
        Put("b", 10);
        Assert.True(Reserve("o", ("a", 2), ("b", 1)).WasReserved);
        Assert.Equal((new Level(Available: 8, Held: 2), new Level(Available: 9, Held: 1)), (Of("a"), Of("b")));
        Release("o", ("a", 2), ("b", 1));
        Assert.Equal((new Level(Available: 10), new Level(Available: 10)), (Of("a"), Of("b")));
    }

    [Fact]
    public void A_rejected_line_leaves_the_earlier_lines_untouched()
    {
        Put("a", 5);
        Put("b", 5);
        Put("c", 0);
        var reservation = Reserve("o", ("a", 1), ("b", 1), ("c", 1));
        Assert.Equal((ReservationStatus.Rejected, "OUT_OF_STOCK"), (reservation.Status, reservation.RejectionReason!.Reason));
        Assert.Equal(new Level(Available: 5), Of("a"));
        Assert.Equal(new Level(Available: 5), Of("b"));
    }

    [Fact]
    public void An_order_failed_that_comes_first_leaves_a_tombstone()
    {
        Put("p", 10);
        Assert.False(Release("o", ("p", 3)).WasReserved);
        Assert.False(Reserve("o", ("p", 3)).WasReserved);
        Assert.Equal(new Level(Available: 10), Of("p"));
    }

    [Fact]
    public void Releasing_twice_releases_once()
    {
        Put("p", 10);
        Reserve("o", ("p", 3));
        Assert.True(Release("o", ("p", 3)).WasReserved);
        Assert.True(Release("o", ("p", 3)).WasReserved);
        Assert.Equal(new Level(Available: 10), Of("p"));
    }

    [Fact]
    public void Settling_twice_settles_once()
    {
        Put("p", 10);
        Reserve("o", ("p", 3));
        Settle("o", ("p", 3));
        Settle("o", ("p", 3));
        Assert.Equal(new Level(Available: 7, Consumed: 3), Of("p"));
    }

    [Fact]
    public void A_late_order_created_reserves_nothing()
    {
        Put("p", 10);
        Reserve("o", ("p", 3));
        Release("o", ("p", 3));
        Assert.Equal(ReservationStatus.Released, Reserve("o", ("p", 3)).Status);
        Assert.Equal(new Level(Available: 10), Of("p"));
    }

    [Fact]
    public void The_last_piece_is_reserved_once()
    {
        Put("p", 1);
        Assert.Equal((ReservationStatus.Reserved, ReservationStatus.Rejected), (Reserve("first", ("p", 1)).Status, Reserve("second", ("p", 1)).Status));
        Assert.Equal(new Level(Held: 1), Of("p"));
    }

    [Fact, Trait("Hazard", "H17")]
    public void Marks_are_pruned_from_a_hot_document()
    {
        Put("p", 1_000);
        for (var at = 0; at < 200; at++)
        {
            Reserve($"o{at}", ("p", 1));
            if (at % 2 == 0) Settle($"o{at}", ("p", 1));
            else Release($"o{at}", ("p", 1));
        }
        Assert.Equal(new Level(Available: 900, Consumed: 100), Of("p"));
        Assert.InRange(Read("p").Marks.Count, 0, 2);
    }

    [Fact]
    public void Marks_left_by_another_instance_are_pruned()
    {
        Put("p", 1_000);
        for (var at = 0; at < 300; at++)
        {
            Run(() => NewParticipant().ReserveAsync($"o{at}", Lines(("p", 1)), StockDecisions.Reject, default));
            Run(() => NewParticipant().SettleAsync($"o{at}", Lines(("p", 1)), default));
        }
        Assert.InRange(Read("p").Marks.Count, 1, 257);
    }

    [Fact]
    public void A_reservation_is_looked_for_only_where_the_document_of_the_caller_has_its_mark()
    {
        const string Order = "0198c0de-0000-7000-8000-0000000000ab";
        Put("p", 10);
        Put("q", 10);
        Reserve(Order, ("p", 1));
        Assert.Equal(Order, Run(() => Stock.FindAsync(Order, default, onlyOf: "p"))!.OrderId);
        Assert.Null(Run(() => Stock.FindAsync(Order, default, onlyOf: "q")));
        Settle(Order, ("p", 1));
        Assert.Equal(ReservationStatus.Settled, Run(() => Stock.FindAsync(Order, default, onlyOf: "q"))!.Status);
    }

    /// <summary>
    /// Each operation of a reservation, and then of its release or settlement, fails once, before or after its effect; the event is
    /// redelivered.
    /// </summary>
    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void A_crash_between_any_two_operations_leaves_no_trace(bool confirmed, bool after)
    {
        failAfter = after;
        var crashes = 0;
        for (failAt = 0; ; failAt++)
        {
            var order = $"o{failAt}";
            operations = 0;
            Put("a", 10);
            Put("b", 10);
            var crashed = !Survives(() => Reserve(order, ("a", 3), ("b", 2)));
            if (crashed) Reserve(order, ("a", 3), ("b", 2));
            if (confirmed)
            {
                if (!Survives(() => Settle(order, ("a", 3), ("b", 2)))) Settle(order, ("a", 3), ("b", 2));
                Assert.Equal(new Level(Available: 7, Consumed: 3), Of("a"));
                Assert.Equal(new Level(Available: 8, Consumed: 2), Of("b"));
            }
            else
            {
                if (!Survives(() => Release(order, ("a", 3), ("b", 2)))) Release(order, ("a", 3), ("b", 2));
                Assert.Equal(new Level(Available: 10), Of("a"));
                Assert.Equal(new Level(Available: 10), Of("b"));
            }
            if (operations <= failAt) break;
            crashes++;
        }
        Assert.InRange(crashes, 10, 40);
    }

    [Fact, Trait("Hazard", "H18")]
    public void A_suspended_and_then_crashed_handler_leaves_no_trace()
    {
        var (ways, wrong) = Interleavings.Walk();
        Assert.InRange(ways, 5_000, 20_000);
        Assert.Empty(wrong);
    }

    private static bool Survives(Func<Reservation> work)
    {
        try
        {
            work();
            return true;
        }
        catch (SidecarDownException)
        {
            return false;
        }
    }

    private Participant<Product>? participant;

    private Participant<Product> Stock => participant ??= NewParticipant();

    private Participant<Product> NewParticipant()
    {
        var (sidecar, backoff) = (Sidecar(), new ConflictBackoff(world.Clock, world.Chance));
        // Its operations neither fail nor count: what is tracked too much is dropped by a sweep.
        var openOrders = new OpenOrderLog(Behind(), world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        return new(DocumentStore.Create(sidecar, backoff), sidecar, Product.KeyOf, openOrders, world.Clock);
    }

    private Reservation Reserve(string order, params (string Product, long Quantity)[] lines) =>
        Run(() => Stock.ReserveAsync(order, Lines(lines), StockDecisions.Reject, default));

    private Reservation Release(string order, params (string Product, long Quantity)[] lines) => Run(() => Stock.ReleaseAsync(order, Lines(lines), default));

    private Reservation Settle(string order, params (string Product, long Quantity)[] lines) => Run(() => Stock.SettleAsync(order, Lines(lines), default));

    private static ImmutableArray<ReservationLine> Lines(params (string Product, long Quantity)[] lines) =>
        [.. lines.Select(line => new ReservationLine(line.Product, line.Quantity))];

    /// <summary>What is not archived yet has the time of the answer.</summary>
    private static bool ByContent(Reservation one, Reservation other) =>
        JsonSerializer.Serialize(one with { Changed = other.Changed }, Json) == JsonSerializer.Serialize(other, Json);

    private T Run<T>(Func<Task<T>> work) => world.Run(work);

    private void Put(string product, long available)
    {
        store.Delete($"stock||{Product.KeyOf(product)}");
        store.TryWrite($"stock||{Product.KeyOf(product)}", new Product(product, "", 1, Holdings.Of(available), []), "");
    }

    private Holdings Read(string product) => ((Product)store.Read($"stock||{Product.KeyOf(product)}").Value!).Holdings;

    private Level Of(string product) => Level.From(Read(product));

    private ISidecar Sidecar() => new FailingSidecar(Behind(), this);

    private SimulatedSidecar Behind() => new(world, store, "stock", Json, () => SidecarFaults.None, () => false, _ => { });

    /// <summary>Fails at one operation, before or after its effect.</summary>
    private sealed class FailingSidecar(ISidecar behind, ParticipantTests test) : SidecarDecorator(behind)
    {
        protected override async Task<T> InterceptAsync<T>(Func<Task<T>> operation)
        {
            var fails = test.operations++ == test.failAt;
            if (fails && !test.failAfter) throw new SidecarDownException();
            var result = await operation();
            return fails ? throw new SidecarDownException() : result;
        }
    }
}
