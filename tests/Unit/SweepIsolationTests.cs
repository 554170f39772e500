using System.Text;
using System.Text.Json;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>An entry of a sweep that cannot be handled stops no other.</summary>
public sealed class SweepIsolationTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly Dictionary<string, Func<OrderOutcome>> orders = [];
    private readonly List<string> asked = [];
    private readonly OpenOrderLog openOrders;
    private readonly Participant<Product> participant;
    private readonly ReservationSweep<Product> sweep;

    public SweepIsolationTests()
    {
        var sidecar = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var documents = DocumentStore.Create(sidecar, backoff);
        openOrders = new(sidecar, world.Clock, () => "i", NullLogger<OpenOrderLog>.Instance);
        participant = new(documents, sidecar, Product.KeyOf, openOrders, world.Clock);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        sweep = new(participant, sidecar, openOrders, (order, _) =>
        {
            asked.Add(order);
            return Task.FromResult(orders[order]());
        }, Deadline, deadLetters, world.Clock, NullLogger<ReservationSweep<Product>>.Instance);
        store.TryWrite($"stock||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(60), []), "");
    }

    private Level Pieces => Level.From(((Product)store.Read($"stock||{Product.KeyOf("p")}").Value!).Holdings);

    private DeadLetter[] Letters => [.. store.All<DeadLetter>("stock||dead-letter:")];

    private static string GetId(int number) => new Guid(number, 0, 0, new byte[8]).ToString();

    public static TheoryData<string> Corruptions => ["no lines", "another order", "a negative amount", "no product", "an earlier version", "nothing tracked"];

    [Theory, MemberData(nameof(Corruptions)), Trait("Hazard", "H27")]
    public void A_reservation_that_can_be_neither_released_nor_settled_becomes_a_dead_letter_and_the_others_are_settled(string corruption)
    {
        var (bad, good) = (GetId(1), GetId(2));
        var reservation = new Reservation(bad, ReservationStatus.Settled, true, [new("p", 1)], null, world.Clock.GetUtcNow());
        var detail = new OpenReservation(bad, corruption == "nothing tracked" ? [] : reservation.Lines, world.Clock.GetUtcNow()).ToDetail();
        if (corruption != "nothing tracked")
        {
            store.TryWrite($"stock||{Reservation.KeyOf(bad)}", corruption switch
            {
                "no lines" => reservation with { Lines = [] },
                "another order" => reservation with { OrderId = good },
                "a negative amount" => reservation with { Lines = [new("p", -1)] },
                "an earlier version" => reservation with { Status = ReservationStatus.Reserved },
                _ => reservation with { Lines = [new("", 1)] },
            }, "");
        }
        Run(() => openOrders.AddAsync(bad, detail, default));
        Hold(good, OrderOutcome.Confirmed);

        Sweep();
        Assert.Equal(new Level(Available: 59, Consumed: 1), Pieces);
        var letter = Assert.Single(Letters);
        Assert.Equal(("reservations", $"{bad}/Reservation", bad), (letter.Topic, letter.EventId, letter.OrderId));
        // Nothing else remembers what it holds.
        Assert.Null(store.GetTimeToLive($"stock||{DeadLetter.KeyOf(letter.Id)}"));
        Assert.Equal(detail.GetRawText(), Encoding.UTF8.GetString(letter.Data));
        Assert.StartsWith(corruption == "nothing tracked" ? "The tracked reservation is corrupt: " : $"reservation:{bad} is corrupt: ", letter.Problem);

        // It is the operator's now: no later sweep visits it.
        var versions = store.Versions;
        Sweep();
        Assert.Equal(letter.DeadLetteredAt, Assert.Single(Letters).DeadLetteredAt);
        Assert.DoesNotContain(store.Find<OpenSegment>("stock||open:"), segment => segment.Orders.Contains(bad));
        // The document with the numbers is as it was.
        Assert.Equal(versions[$"stock||{Product.KeyOf("p")}"], store.Versions[$"stock||{Product.KeyOf("p")}"]);
    }

    public static TheoryData<string> WrongEntries =>
    [
        "of another order", "of another spelling", "a negative amount", "the same product twice", "an id that is no product's", "without a time", "unreadable",
    ];

    [Theory, MemberData(nameof(WrongEntries)), Trait("Hazard", "H27")]
    public void A_tracked_entry_that_is_not_of_its_order_becomes_a_dead_letter_and_moves_nothing(string wrong)
    {
        var (sold, other, good) = (GetId(1), new Guid(2, 0, 0, [0xAB, 0, 0, 0, 0, 0, 0, 0]).ToString(), GetId(3));
        store.TryWrite($"stock||{Product.KeyOf("q")}", new Product("q", "", 1, Holdings.Of(60), []), "");
        // Both have ended alike, and the mark of the other is not pruned.
        Hold(sold, OrderOutcome.Confirmed);
        Hold(other, OrderOutcome.Confirmed, "q");
        Run(() => participant.SettleAsync(sold, [new("p", 1)], default));
        Run(() => participant.SettleAsync(other, [new("q", 1)], default));
        Sweep();
        Hold(good, OrderOutcome.Confirmed);
        var entry = wrong == "of another spelling" ? other.ToUpperInvariant() : sold;
        var open = new OpenReservation(wrong switch { "of another order" => other, "of another spelling" => entry, _ => sold }, wrong switch
        {
            "a negative amount" => [new("q", -1)],
            "the same product twice" => [new("q", 1), new("q", 1)],
            "an id that is no product's" => [new("q||1", 1)],
            _ => [new("q", 1)],
        }, wrong == "without a time" ? default : world.Clock.GetUtcNow());
        var detail = wrong == "unreadable" ? JsonElement.Parse("""{"orderId":7}""") : open.ToDetail();
        Run(() => openOrders.AddAsync(entry, detail, default));
        var before = store.Read($"stock||{Product.KeyOf("q")}");

        Sweep();
        Assert.Equal(before, store.Read($"stock||{Product.KeyOf("q")}"));
        Assert.Equal(new Level(Available: 58, Consumed: 2), Pieces);
        var letter = Assert.Single(Letters);
        Assert.Equal(("reservations", $"{entry}/Reservation"), (letter.Topic, letter.EventId));
        Assert.DoesNotContain(store.Find<OpenSegment>("stock||open:"), segment => segment.Orders.Contains(entry));
        // A redrive has the detail alone.
        if (wrong != "of another order")
        {
            Assert.Throws<CorruptDocumentException>(() => Run(() => sweep.VisitAsync(Encoding.UTF8.GetString(letter.Data), default)));
        }
    }

    [Theory, InlineData(""), InlineData("evil||1"), InlineData("order-7"), InlineData("0000000A-0000-0000-0000-000000000000")]
    public void An_entry_with_an_id_of_no_order_becomes_a_dead_letter_and_the_others_are_settled(string id)
    {
        var good = GetId(2);
        Hold(good, OrderOutcome.Confirmed);
        Run(() => openOrders.AddAsync(id, new OpenReservation(id, [new("p", 1)], world.Clock.GetUtcNow()).ToDetail(), default));
        Sweep();
        Assert.Equal(new Level(Available: 59, Consumed: 1), Pieces);
        Assert.Equal($"{id}/Reservation", Assert.Single(Letters).EventId);
        Assert.DoesNotContain(id, asked);
        Assert.Empty(store.Find<OpenSegment>("stock||open:"));
    }

    [Fact]
    public void An_entry_that_cannot_be_made_a_dead_letter_stays_tracked_and_stops_no_other()
    {
        var (bad, good) = (GetId(1), GetId(2));
        Run(() => openOrders.AddAsync(bad, new OpenReservation(bad, [], world.Clock.GetUtcNow()).ToDetail(), default));
        Hold(good, OrderOutcome.Confirmed);
        // The index is no index: the dead letter cannot be listed.
        for (var shard = 0; shard < 16; shard++) store.TryWrite($"stock||dead-letters:{shard}", new OpenHead(default, 0, 0), "");
        Sweep();
        Assert.Equal(new Level(Available: 59, Consumed: 1), Pieces);
        Assert.Contains(store.Find<OpenSegment>("stock||open:"), segment => segment.Orders.Contains(bad));

        for (var shard = 0; shard < 16; shard++) store.Delete($"stock||dead-letters:{shard}");
        Sweep();
        Assert.Equal(bad, Assert.Single(Letters).OrderId);
        Assert.Empty(store.Find<OpenSegment>("stock||open:"));
    }

    /// <summary>An application asks for outcomes in its own way, and what that throws in an outage is no type of the library.</summary>
    [Fact]
    public void Whatever_asking_for_the_outcome_throws_the_reservation_stays_tracked()
    {
        var order = GetId(1);
        var isAway = true;
        Hold(order, () => isAway ? throw new InvalidOperationException("the database is away") : OrderOutcome.Confirmed);
        Sweep(Deadline);
        Assert.Empty(Letters);
        isAway = false;
        Sweep(TimeSpan.FromMinutes(2));
        Assert.Equal(new Level(Available: 59, Consumed: 1), Pieces);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(6.9, true)]
    [InlineData(7.1, false)]
    public void A_reservation_of_an_unknown_order_is_released_only_while_Orders_would_know_a_confirmed_one(double days, bool isReleased)
    {
        var order = GetId(1);
        Hold(order, OrderOutcome.Unknown);
        Sweep(TimeSpan.FromDays(days));
        Assert.Equal(isReleased ? new Level(Available: 60) : new Level(Available: 59, Held: 1), Pieces);
        Assert.Equal(isReleased ? [] : [order], Letters.Select(letter => letter.OrderId));
        if (!isReleased) Assert.Contains("Orders no longer knows", Letters[0].Problem);
    }

    [Fact]
    public void An_entry_whose_id_Orders_rejects_becomes_a_dead_letter()
    {
        var (bad, good) = (GetId(1), GetId(2));
        Hold(bad, () => throw new RpcException(new Status(StatusCode.InvalidArgument, "'' is neither an order id nor an order number")));
        Hold(good, OrderOutcome.Closed);
        Sweep();
        Assert.Equal([bad], Letters.Select(letter => letter.OrderId));
        Assert.Equal(new Level(Available: 59, Held: 1), Pieces);
    }

    [Fact]
    public void A_transient_fault_postpones_only_its_entry_with_exponential_backoff()
    {
        var (slow, good) = (GetId(1), GetId(2));
        var isAway = true;
        Hold(slow, () => isAway ? throw new RpcException(new Status(StatusCode.Unavailable, "away")) : OrderOutcome.Confirmed);
        Hold(good, OrderOutcome.Confirmed);
        Sweep();
        Assert.Equal(new Level(Available: 58, Held: 1, Consumed: 1), Pieces);

        asked.Clear();
        for (var second = 0; second < 60; second++) Sweep(TimeSpan.FromSeconds(1));
        // After 2, 4, 8, 16 and 32 s.
        Assert.InRange(asked.Count, 4, 5);
        Assert.Empty(Letters);

        isAway = false;
        for (var second = 0; second < 61 && Pieces.Held > 0; second++) Sweep(TimeSpan.FromSeconds(1));
        Assert.Equal(new Level(Available: 58, Consumed: 2), Pieces);
    }

    [Fact]
    public void During_an_outage_a_sweep_ends_early_and_the_next_continues_behind()
    {
        var isAway = true;
        for (var number = 1; number <= 20; number++)
        {
            Hold(GetId(number), () => isAway ? throw new RpcException(new Status(StatusCode.Unavailable, "away")) : OrderOutcome.Confirmed);
        }
        Assert.Throws<RpcException>(() => Sweep());
        Assert.Equal(3, asked.Count);
        Assert.Throws<RpcException>(() => Sweep(TimeSpan.FromSeconds(1)));
        Assert.Equal(6, asked.Distinct().Count());

        isAway = false;
        for (var second = 0; second < 10 && Pieces.Held > 0; second++) Sweep(TimeSpan.FromSeconds(1));
        Assert.Equal(new Level(Available: 40, Consumed: 20), Pieces);
    }

    [Fact]
    public void A_redriven_entry_that_is_still_open_is_tracked_again()
    {
        var order = GetId(1);
        var outcome = OrderOutcome.Pending;
        Hold(order, () => outcome, isLogged: false);
        Run(() => sweep.VisitAsync(new OpenReservation(order, [new("p", 1)], world.Clock.GetUtcNow()).ToDetail().GetRawText(), default));
        outcome = OrderOutcome.Confirmed;
        Sweep();
        Assert.Equal(new Level(Available: 59, Consumed: 1), Pieces);
    }

    private void Hold(string order, OrderOutcome outcome, string product = "p") => Hold(order, () => outcome, product: product);

    private void Hold(string order, Func<OrderOutcome> outcome, bool isLogged = true, string product = "p")
    {
        orders[order] = outcome;
        var made = isLogged ? participant : new Participant<Product>(
            new(Sidecar(store), new(world.Clock, world.Chance)), Sidecar(store), Product.KeyOf,
            new(Sidecar(new()), world.Clock, () => "lost", NullLogger<OpenOrderLog>.Instance), world.Clock);
        Run(() => made.ReserveAsync(order, [new(product, 1)], StockDecisions.Reject, default));

        SimulatedSidecar Sidecar(SimulatedStore at) => new(world, at, "stock", null, () => SidecarFaults.None, () => false, _ => { });
    }

    /// <param name="after">Time that passes before; unless said otherwise long enough for whatever is held to be asked about.</param>
    private void Sweep(TimeSpan? after = null)
    {
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + (after ?? Deadline));
        Run(() => sweep.RunAsync(default));
    }

    private void Run(Func<Task> work) => world.Run(async () =>
    {
        await work();
        return true;
    });
}
