using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using Stock;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>A dry run shows the effects of the run, and has none.</summary>
public sealed class DryRunTests
{
    private static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(StockJsonContext.Default);

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly List<OutgoingEvent> published = [];

    [Fact]
    public void The_effects_of_a_dry_run_are_those_of_the_run()
    {
        store.TryWrite("stock||product:p", new Product("p", "Lamp", 1_000, Holdings.Of(5), []), "");
        var order = new OrderCreatedEvent { OrderId = Guid.Empty.ToString(), Items = { new OrderLine { ProductId = "p", Quantity = 2 } } };

        var recorder = new RecordingSidecar(Sidecar(), OpenOrderLog.IsKey, Json);
        Reserve(recorder, order);
        Assert.Equal(5, Read().Holdings.Available);
        Assert.Empty(published);

        Reserve(Sidecar(), order);
        Assert.Equal(3, Read().Holdings.Available);
        Assert.Collection(recorder.Effects,
            product => Assert.Equal("product:p: holdings.available 5 → 3, holdings.held 0 → 2, "
                + "holdings.marks.00000000-0000-0000-0000-000000000000 nothing → \"Reserved 2\"", product),
            answer => Assert.Equal($"publishes stock-reserved: {published.Single().Message}", answer));
    }

    [Fact]
    public void A_dry_run_of_a_duplicate_changes_nothing_and_publishes_the_same_event()
    {
        store.TryWrite("stock||product:p", new Product("p", "Lamp", 1_000, Holdings.Of(5), []), "");
        var order = new OrderCreatedEvent { OrderId = Guid.Empty.ToString(), Items = { new OrderLine { ProductId = "p", Quantity = 2 } } };
        Reserve(Sidecar(), order);
        var recorder = new RecordingSidecar(Sidecar(), OpenOrderLog.IsKey, Json);
        Reserve(recorder, order);
        Assert.Equal([$"publishes stock-reserved: {published.Single().Message}"], recorder.Effects);
    }

    [Fact]
    public async Task A_dry_run_calls_no_participant()
    {
        var client = new Orders.ParticipantClient(null!, OrdersAlone.Options, new DryRunMode(IsOn: true), TimeProvider.System);
        var fault = await Assert.ThrowsAsync<Grpc.Core.RpcException>(() => client.ReleaseAsync(Orders.Step.Stock, new(), default));
        Assert.Equal(Grpc.Core.StatusCode.Unavailable, fault.StatusCode);
        await Assert.ThrowsAsync<Grpc.Core.RpcException>(() => client.ReserveAsync(Orders.Step.Stock, new(), default));
    }

    private Product Read() => store.All<Product>("stock||product:").Single();

    private SimulatedSidecar Sidecar() => new(world, store, "stock", null, () => SidecarFaults.None, () => false, published.Add);

    private void Reserve(ISidecar sidecar, OrderCreatedEvent order)
    {
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var log = new OpenOrderLog(sidecar, world.Clock, () => Guid.NewGuid().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        var participant = new Participant<Product>(DocumentStore.Create(sidecar, backoff), sidecar, Product.KeyOf, log, world.Clock);
        var stock = new StockHandlers(participant, sidecar, (_, _) => Task.FromResult(OrderOutcome.Unknown), NullLoggerFactory.Instance);
        world.Run(async () =>
        {
            await stock.ReserveAsync(order, default);
            return true;
        });
    }
}
