using System.Globalization;
using Orders;

namespace Saga.Tests;

/// <summary>The history lists every closed order until it expires.</summary>
public sealed class OrderHistoryTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();

    [Fact]
    public void Every_order_is_listed_once_and_the_latest_first()
    {
        var past = New();
        string[] morning = [.. Enumerable.Range(0, 1200).Select(at => $"morning-{at}")], evening = [.. Enumerable.Range(0, 7).Select(at => $"evening-{at}")];
        Add(past, morning);
        Pass(TimeSpan.FromHours(9));
        foreach (var order in evening) Add(past, order);
        Assert.Equal([.. evening.Reverse(), .. morning.Reverse()], Read(past, 100));
        Assert.Equal(1207, Read(New(), 1000).Count);
    }

    [Fact]
    public void Adding_a_closed_order_twice_lists_it_once()
    {
        var past = New();
        Add(past, "a", "b");
        Add(past, "b", "c");
        Assert.Equal(["c", "b", "a"], Read(past, 2));
    }

    [Fact]
    public void Concurrent_instances_add_to_the_same_hour()
    {
        OrderHistory[] instances = [New(), New(), New()];
        Do(async () =>
        {
            var added = instances.SelectMany((past, at) =>
                Enumerable.Range(0, 40).Select(turn => past.AddAsync([.. Enumerable.Range(0, 20).Select(n => $"{at}-{turn}-{n}")], default))).ToArray();
            foreach (var one in added) await one;
        });
        Assert.Equal(2400, Read(New(), 1000).Distinct().Count());
    }

    [Fact]
    public void The_listing_reports_since_when_it_is_complete()
    {
        var past = New();
        Add(past, "a");
        Pass(Retention.OfFinished - TimeSpan.FromHours(1));
        Assert.Null(world.Run(() => past.GetCompleteSinceAsync(default)));
        Pass(TimeSpan.FromHours(1));
        var since = world.Run(() => past.GetCompleteSinceAsync(default));
        Assert.InRange(since!.Value, world.Clock.GetUtcNow() - Retention.OfFinished, world.Clock.GetUtcNow() - Retention.OfFinished + TimeSpan.FromHours(1));
    }

    public static TheoryData<string> Corruptions => ["past:begin", "past:{0}", "past:{0}:1"];

    [Theory, MemberData(nameof(Corruptions)), Trait("Hazard", "H27")]
    public void A_corrupt_document_stops_no_closed_order_and_fails_the_list_until_it_is_repaired(string document)
    {
        var key = $"orders||{string.Format(CultureInfo.InvariantCulture, document, Hour)}";
        Add(New(), "a");
        var repair = Break(key);
        var past = New();
        Add(past, "b");
        Add(past, [.. Enumerable.Range(0, 1_000).Select(at => $"o{at}")]);
        Assert.Throws<CorruptDocumentException>(() => (Read(past, 100), world.Run(() => past.GetCompleteSinceAsync(default))));

        repair();
        Assert.Equal(1_002, Read(past, 100).Distinct().Count());
        Assert.Equal(1_002, Read(past, 100).Count);
        Pass(TimeSpan.FromHours(1));
        Add(past, "c");
        Assert.Equal("c", Read(past, 100)[0]);
    }

    [Fact]
    public void A_page_that_becomes_corrupt_while_orders_are_added_lists_none_twice()
    {
        var past = New();
        Add(past, [.. Enumerable.Range(0, 400).Select(at => $"a{at}")]);
        store.TryWrite($"orders||past:{Hour}:2", new HistoryStart(0), "");
        Add(past, [.. Enumerable.Range(0, 400).Select(at => $"b{at}")]);
        store.Delete($"orders||past:{Hour}:2");
        Assert.Equal(800, Read(past, 100).Count);
        Assert.Equal(800, Read(past, 100).Distinct().Count());
    }

    [Fact]
    public void Two_corrupt_hours_are_reported()
    {
        var past = New();
        foreach (var hour in (long[])[Hour, Hour + 1]) store.TryWrite($"orders||past:{hour}", new HistoryHour(-1), "");
        Assert.Equal($"past:{Hour + 1} is corrupt: it has -1 pages.", Assert.Throws<CorruptDocumentException>(() => Add(past, "a")).Message);
    }

    [Theory]
    [InlineData("", true), InlineData("01a20abc-8b99-79b5-a05b-883694978b70", true), InlineData("495000.0.17", true)]
    [InlineData("x", false), InlineData("1.2", false), InlineData("1.-2.3", false), InlineData("1.2.3.4", false), InlineData("1.99999999999.3", false)]
    public void An_invalid_page_token_is_rejected(string token, bool right)
    {
        Assert.Equal(right, PageCursor.TryParse(token, out var place));
        if (right) Assert.Equal(token, place.ToToken());
    }

    private long Hour => world.Clock.GetUtcNow().ToUnixTimeSeconds() / 3600;

    /// <returns>Restores it.</returns>
    private Action Break(string key)
    {
        var (whole, etag) = store.Read(key);
        store.TryWrite(key, new StoredNothing(), etag);
        return () => store.TryWrite(key, whole!, store.Read(key).ETag);
    }

    private sealed record StoredNothing;

    private OrderHistory New()
    {
        var sidecar = new SimulatedSidecar(world, store, "orders", null, () => SidecarFaults.None, () => false, _ => { });
        return new(DocumentStore.Create(sidecar, new(world.Clock, world.Chance)), sidecar, world.Clock);
    }

    private void Add(OrderHistory past, params string[] orders) => Do(() => past.AddAsync(orders, default));

    private List<string> Read(OrderHistory past, int most)
    {
        List<string> all = [];
        for (HistoryCursor? place = null; ;)
        {
            var (ids, next) = world.Run(() => past.ReadAsync(place, most, default));
            Assert.InRange(ids.Count, 0, most);
            all.AddRange(ids);
            if (next is null) return all;
            place = next;
        }
    }

    private void Pass(TimeSpan time) => world.Clock.AdvanceTo(world.Clock.GetUtcNow() + time);

    private void Do(Func<Task> work) => world.Run(async () =>
    {
        await work();
        return true;
    });
}
