using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;
using Stock;

namespace Saga.Tests.Properties;

/// <summary>The reservation protocol under any sequence of events of several orders, duplicates included, by two processes.</summary>
public sealed class ParticipantProperties
{
    private static readonly string[] Products = ["a", "b"];

    private static readonly Gen<(int Kind, int Order, int Process, long A, long B)> Operations =
        from kind in Gen.Choose(0, 3)
        from order in Gen.Choose(0, 4)
        from process in Gen.Choose(0, 1)
        from a in Values.Between(1, 6)
        from b in Values.Between(1, 6)
        select (kind, order, process, a, b);

    [Fact]
    public void Any_sequence_of_events_conserves_the_pieces_and_agrees_with_the_reservations() => Property.ForAll(Operations.ArrayOf(), operations =>
    {
        var world = new World(1);
        var store = new SimulatedStore();
        foreach (var id in Products) store.TryWrite($"stock||{Product.KeyOf(id)}", new Product(id, "", 1, Holdings.Of(12), []), "");
        Participant<Product>[] processes = [NewProcess(world, store), NewProcess(world, store)];
        Dictionary<string, ReservationStatus> final = [];
        foreach (var operation in operations)
        {
            var orderId = $"o{operation.Order}";
            if (Apply(world, processes[operation.Process], operation, orderId) is { } answer)
            {
                // Only Reserved changes afterwards.
                if (final.TryGetValue(orderId, out var before) && before != ReservationStatus.Reserved) Assert.Equal(before, answer.Status);
                final[orderId] = answer.Status;
            }
            Audit(store);
        }
    }, 300);

    /// <returns>The reservation. Null: the event contradicts it.</returns>
    private static Reservation? Apply(World world, Participant<Product> process, (int Kind, int Order, int Process, long A, long B) operation, string orderId)
    {
        ImmutableArray<ReservationLine> lines = [new("a", operation.A), new("b", operation.B)];
        try
        {
            return world.Run(() => operation.Kind switch
            {
                0 or 1 => process.ReserveAsync(orderId, lines, StockDecisions.Reject, default),
                2 => process.ReleaseAsync(orderId, lines, default),
                _ => process.SettleAsync(orderId, lines, default),
            });
        }
        catch (UnprocessableEventException)
        {
            return null;
        }
    }

    private static void Audit(SimulatedStore store)
    {
        var reservations = store.All<Reservation>("stock||reservation:").ToArray();
        foreach (var product in store.All<Product>("stock||product:"))
        {
            var holdings = product.Holdings;
            Assert.Equal(12, holdings.Total);
            Assert.True(holdings is { Available: >= 0, Held: >= 0, Consumed: >= 0 }, $"{holdings}");
            Assert.Null(product.FindProblem(Product.KeyOf(product.Id)));
            Assert.Equal(
                reservations.Where(one => one.Status == ReservationStatus.Settled)
                    .SelectMany(one => one.Lines).Where(line => line.ResourceId == product.Id).Sum(line => line.Amount),
                holdings.Consumed);
            // An archived order holds nothing.
            Assert.All(reservations, one => Assert.NotEqual(MarkState.Reserved, holdings.MarkFor(one.OrderId)?.State));
        }
    }

    private static Participant<Product> NewProcess(World world, SimulatedStore store)
    {
        var sidecar = new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { });
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        return new(DocumentStore.Create(sidecar, backoff), sidecar, Product.KeyOf, openOrders, world.Clock);
    }
}
