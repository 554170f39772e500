using System.Collections.Immutable;
using Stock;

namespace Saga.Tests;

/// <summary>Changes of one document that are wanted at the same time.</summary>
public sealed class DocumentsTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();

    private sealed record Counter(ImmutableSortedSet<int> Seen);

    [Fact]
    public void Changes_that_are_wanted_together_are_all_made_with_few_writes()
    {
        var documents = New();
        Together(100, at => documents.ChangeAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal(Enumerable.Range(0, 100).ToImmutableSortedSet(), Kept.Seen);
        Assert.InRange(int.Parse(store.Read("app||c").ETag), 1, 5);
    }

    [Fact]
    public void Two_processes_that_change_the_same_document_lose_nothing_of_each_other()
    {
        Documents[] processes = [New(), New(), New()];
        Together(90, at => processes[at % 3].ChangeAsync<Counter, bool>("c", Adding(at), default));
        Assert.Equal(Enumerable.Range(0, 90).ToImmutableSortedSet(), Kept.Seen);
    }

    [Fact]
    public void A_change_that_meets_a_bug_does_not_take_the_others_with_it()
    {
        var documents = New();
        var results = world.Run(async () =>
        {
            var bug = documents.ChangeAsync<Counter, bool>("c", _ => throw new InvalidOperationException("bug"), default);
            var good = documents.ChangeAsync<Counter, bool>("c", Adding(1), default);
            var changed = await good;
            return (Bug: (await Assert.ThrowsAsync<InvalidOperationException>(async () => await bug)).Message, Good: changed);
        });
        Assert.Equal(("bug", true), results);
        Assert.Equal([1], Kept.Seen);
    }

    [Fact]
    public void Each_is_told_its_own_result()
    {
        var documents = New();
        var results = Together(10, at => documents.ChangeAsync<Counter, int>("c", counter => new(new((counter?.Seen ?? []).Add(at)), at), default));
        Assert.Equal(Enumerable.Range(0, 10), results);
    }

    [Fact]
    public void What_can_be_dropped_is_dropped_only_after_all_who_share_the_write_have_decided()
    {
        var documents = New();
        var seen = Together(3, at => documents.ChangeAsync<Counter, int>("c", null,
            (counter, _) => new(new((counter?.Seen ?? []).Add(at)), (counter?.Seen ?? []).Count), _ => new([]), default));
        Assert.Contains(seen, count => count > 0);
        Assert.Empty(Kept.Seen);
    }

    [Fact, Trait("Hazard", "H16")]
    public void A_hot_product_costs_less_per_order_when_many_want_it()
    {
        var sidecar = Sidecar();
        var patience = new Patience(world.Clock, world.Chance);
        var participant = new Participant<Product>(new(sidecar, patience), sidecar, Product.KeyOf, world.Clock, patience);
        store.TryWrite($"app||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(60), []), "");
        var claims = Together(100, at => participant.TakeAsync($"o{at}", [new("p", 1)], StockDecisions.Refuse, default));
        Assert.Equal((60, 40), (claims.Count(claim => claim.Status == ClaimStatus.Held), claims.Count(claim => claim.Status == ClaimStatus.Refused)));
        var (value, version) = store.Read($"app||{Product.KeyOf("p")}");
        Assert.Equal((0, 60), (((Product)value!).Holdings.Available, ((Product)value).Holdings.Held));
        Assert.InRange(int.Parse(version), 2, 60);
    }

    /// <summary>Starts all before it waits for the first.</summary>
    private T[] Together<T>(int count, Func<int, Task<T>> start) => world.Run(async () =>
    {
        var started = Enumerable.Range(0, count).Select(start).ToArray();
        var results = new T[count];
        for (var at = 0; at < count; at++) results[at] = await started[at];
        return results;
    });

    private Counter Kept => (Counter)store.Read("app||c").Value!;

    private static Func<Counter?, Change<Counter, bool>> Adding(int number) => counter => new(new((counter?.Seen ?? []).Add(number)), true);

    private Documents New() => new(Sidecar(), new Patience(world.Clock, world.Chance));

    private SimulatedSidecar Sidecar() => new(world, store, "app", null, () => SidecarFaults.None, () => false, _ => { });
}
