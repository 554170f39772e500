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

    [Fact]
    public void A_corrupt_page_or_hour_fails_the_list_which_does_not_know_what_it_lacks()
    {
        var past = New();
        Add(past, "a");
        var hour = world.Clock.GetUtcNow().ToUnixTimeSeconds() / 3600;
        foreach (var key in (string[])[HistoryPage.KeyOf(hour, 1), HistoryHour.KeyOf(hour)])
        {
            store.Delete($"orders||{key}");
            Assert.True(store.TryWrite($"orders||{key}", new HistoryStart(hour), ""));
            Assert.Contains(key, Assert.Throws<CorruptDocumentException>(() => Read(past, 10)).Message);
        }
    }

    [Theory]
    [InlineData("", true), InlineData("01a20abc-8b99-79b5-a05b-883694978b70", true), InlineData("495000.0.17", true)]
    [InlineData("x", false), InlineData("1.2", false), InlineData("1.-2.3", false), InlineData("1.2.3.4", false), InlineData("1.99999999999.3", false)]
    public void An_invalid_page_token_is_rejected(string token, bool right)
    {
        Assert.Equal(right, PageCursor.TryParse(token, out var place));
        if (right) Assert.Equal(token, place.ToToken());
    }

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
