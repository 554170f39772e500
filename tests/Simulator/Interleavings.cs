using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;

namespace Saga.Tests;

/// <summary>
/// Walks the interleavings of two handlers of one order on one product: the first is suspended after n operations, the other runs to its end, and
/// the first resumes and crashes after m more operations. No redelivery or sweep follows.
/// </summary>
internal static class Interleavings
{
    private const int Initial = 10, Quantity = 3;

    private static readonly ImmutableArray<ReservationLine> Lines = [new("p", Quantity)];

    /// <param name="Before">Handled before by the same process, which has it cached.</param>
    /// <param name="CreatedMeanwhile">The product is created while the first is suspended, which then does not crash.</param>
    private sealed record InterleavingCase(
        string Name, int Consumed, Func<Participant<Product>, Task>? Before,
        Func<Participant<Product>, Task> Sleeper, Func<Participant<Product>, Task> Other, bool BySleeper = false,
        bool CreatedMeanwhile = false);

    private static readonly InterleavingCase[] Cases =
    [
        new("reserve | release", 0, null, Reserve, Release),
        new("reserve | reserve", -1, null, Reserve, Reserve),
        new("reserve | reserve, settle", Quantity, null, Reserve, async stock => { await Reserve(stock); await Settle(stock); }),
        new("reserve | reserve, release", 0, null, Reserve, async stock => { await Reserve(stock); await Release(stock); }),
        new("release | reserve", 0, null, Release, async stock => { await Reserve(stock); await Release(stock); }),
        new("release | release", 0, Reserve, Release, Release),
        new("settle | settle", Quantity, Reserve, Settle, Settle),
        new("reserve, release | release", 0, Reserve, Release, Release, BySleeper: true),
        new("reserve, settle | settle", Quantity, Reserve, Settle, Settle, BySleeper: true),
        new("reserve, reserve | release", 0, Reserve, Reserve, Release, BySleeper: true),
        new("reserve, reserve | settle", Quantity, Reserve, Reserve, Settle, BySleeper: true),
        new("release | product created, reserve", 0, null, Release, Reserve, CreatedMeanwhile: true),
        new("reserve | product created, reserve", -1, null, Reserve, Reserve, CreatedMeanwhile: true),
        new("reserve | product created, release", 0, null, Reserve, Release, CreatedMeanwhile: true),
    ];

    /// <returns>The number of interleavings, and the violations.</returns>
    public static (int Ways, IReadOnlyList<string> Wrong) Walk()
    {
        var ways = 0;
        List<string> wrong = [];
        foreach (var one in Cases)
        {
            foreach (var (batching, caching) in (ReadOnlySpan<(bool, bool)>)[(false, false), (true, false), (false, true), (true, true)])
            {
                for (var asleepAfter = 0; asleepAfter <= 12; asleepAfter++)
                {
                    for (var deadAfter = one.CreatedMeanwhile ? 12 : 0; deadAfter <= 12; deadAfter++)
                    {
                        ways++;
                        if (Play(one, batching, caching, asleepAfter, deadAfter) is { } problem)
                        {
                            wrong.Add($"{one.Name}, batching {batching}, caching {caching}, asleep after {asleepAfter} and dead after {deadAfter} more: {problem}");
                        }
                    }
                }
            }
        }
        foreach (var isFast in (ReadOnlySpan<bool>)[false, true])
        {
            foreach (var (releases, reserves, then) in
                from releases in Enumerable.Range(0, 9) from reserves in Enumerable.Range(0, 9) from then in Enumerable.Range(0, 9) select (releases, reserves, then))
            {
                ways++;
                if (PlayCrashedRelease(isFast, releases, reserves, then) is { } problem)
                {
                    wrong.Add($"release of a missing product, batching and caching {isFast}, asleep after {releases}; product created, reserve, asleep after {reserves}; "
                        + $"release dead after {then} more, and repeated: {problem}");
                }
            }
        }
        return (ways, wrong);
    }

    /// <summary>
    /// A release finds no product. The product is created; another process begins to reserve; the release crashes and is repeated by a third process; and
    /// the second goes on.
    /// </summary>
    private static string? PlayCrashedRelease(bool isFast, int releases, int reserves, int then)
    {
        var world = new World(1);
        var store = new SimulatedStore();
        var (releasing, reserving) = (new Gate(releases), new Gate(reserves));
        var (first, second, third) = (New(world, store, releasing, isFast, isFast), New(world, store, reserving, isFast, isFast),
            New(world, store, new Gate(int.MaxValue), isFast, isFast));
        world.Post(_ => Release(first), null);
        world.Run(() => false);
        Create(store);
        world.Post(_ => Reserve(second), null);
        world.Run(() => false);
        releasing.Allow(then);
        world.Run(() => false);
        world.Run(Done(() => Release(third)));
        reserving.Allow(20);
        world.Run(() => false);
        var holdings = ((Product)store.Read($"stock||{Product.KeyOf("p")}").Value!).Holdings;
        return holdings.Held == 0 ? null : $"{holdings.Held} held";
    }

    private static string? Play(InterleavingCase one, bool batching, bool caching, int asleepAfter, int deadAfter)
    {
        var world = new World(1);
        var store = new SimulatedStore();
        if (!one.CreatedMeanwhile) Create(store);
        var sleeping = new Gate(int.MaxValue);
        var (sleeper, other) = (New(world, store, sleeping, batching, caching), New(world, store, new Gate(int.MaxValue), batching, caching));

        if (one.Before is { } before) world.Run(Done(() => before(one.BySleeper ? sleeper : other)));
        sleeping.AllowOnly(asleepAfter);
        world.Post(_ => one.Sleeper(sleeper), null);
        world.Run(() => false);
        if (one.CreatedMeanwhile) Create(store);
        world.Run(Done(() => one.Other(other)));
        sleeping.Allow(deadAfter);
        world.Run(() => false);

        var holdings = ((Product)store.Read($"stock||{Product.KeyOf("p")}").Value!).Holdings;
        var reservation = (Reservation?)store.Read($"stock||{Reservation.KeyOf("o")}").Value;
        var expected = one.Consumed < 0 ? (Initial - Quantity, Quantity, 0) : (Initial - one.Consumed, 0, one.Consumed);
        return (holdings.Available, holdings.Held, holdings.Consumed) == expected
            ? null
            : $"{holdings.Available} available, {holdings.Held} held, {holdings.Consumed} consumed; the reservation is {reservation?.Status.ToString() ?? "not archived"}";
    }

    private static void Create(SimulatedStore store) =>
        store.TryWrite($"stock||{Product.KeyOf("p")}", new Product("p", "", 1, Holdings.Of(Initial), []), "");

    private static Participant<Product> New(World world, SimulatedStore store, Gate gate, bool batching, bool caching)
    {
        var behind = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
        var sidecar = new GatedSidecar(behind, gate);
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var documents = DocumentStore.Create(sidecar, backoff, combine: batching, cache: caching);
        var openOrders = new OpenOrderLog(behind, world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        return new(documents, sidecar, Product.KeyOf, openOrders, world.Clock);
    }

    private static Func<Task<bool>> Done(Func<Task> work) => async () =>
    {
        await work();
        return true;
    };

    private static Task Reserve(Participant<Product> stock) => stock.ReserveAsync("o", Lines, StockDecisions.Reject, default);

    private static Task Release(Participant<Product> stock) => stock.ReleaseAsync("o", Lines, default);

    private static Task Settle(Participant<Product> stock) => stock.SettleAsync("o", Lines, default);

    /// <summary>Lets a number of operations through; the next waits until more are allowed.</summary>
    private sealed class Gate(int allowed)
    {
        private TaskCompletionSource more = new();

        public void AllowOnly(int count) => allowed = count;

        public void Allow(int count)
        {
            allowed += count;
            var waiting = more;
            more = new();
            waiting.SetResult();
        }

        public async Task PassAsync()
        {
            while (allowed == 0) await more.Task;
            if (allowed != int.MaxValue) allowed--;
        }
    }

    private sealed class GatedSidecar(ISidecar behind, Gate gate) : SidecarDecorator(behind)
    {
        protected override async Task<T> InterceptAsync<T>(Func<Task<T>> operation)
        {
            await gate.PassAsync();
            return await operation();
        }
    }
}
