using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using Stock;
using Product = Stock.Product;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests;

/// <summary>The sidecar uses up its retries of an order-created, at any operation of the handler.</summary>
public sealed class DeadLetterRecoveryTests : IDisposable
{
    private const string OrderId = "0198c0de-abcd-7000-8000-0000000000ef";

    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly OutgoingEvent created = new(OrderId, Poison.Forged(OrderId));
    private readonly FailingSidecar sidecar;
    private readonly EventDispatcher dispatcher;
    private readonly Participant<Product> participant;
    private readonly ReservationSweep<Product> sweep;
    private OrderOutcome outcome = OrderOutcome.Unknown;

    public DeadLetterRecoveryTests()
    {
        sidecar = new(new SimulatedSidecar(world, store, "stock", null, () => SidecarFaults.None, () => false, _ => { }));
        var backoff = new ConflictBackoff(world.Clock, world.Chance);
        var documents = DocumentStore.Create(sidecar, backoff);
        var openOrders = new OpenOrderLog(sidecar, world.Clock, () => world.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        participant = new(documents, sidecar, Product.KeyOf, openOrders, world.Clock);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        sweep = new(
            participant, sidecar, openOrders, GetOutcomeAsync, Deadline, deadLetters, world.Clock, NullLogger<ReservationSweep<Product>>.Instance);
        var stock = new StockHandlers(participant, sidecar, GetOutcomeAsync, NullLoggerFactory.Instance);
        var subscriptions = new Subscriptions().On<OrderCreatedEvent>(stock.ReserveAsync, onDeadLetter: stock.RecoverDeadLetteredAsync);
        dispatcher = new(subscriptions, deadLetters, new("stock"), world.Clock, NullLogger<EventDispatcher>.Instance);
        store.TryWrite($"stock||{Product.KeyOf("p0")}", new Product("p0", "", 1, Holdings.Of(10), []), "");

        Task<OrderOutcome> GetOutcomeAsync(string orderId, CancellationToken ct) => Task.FromResult(outcome);
    }

    /// <summary>Operations of the handler that succeed before the others fail. The last lets all of them succeed.</summary>
    public static TheoryData<int> Operations => [.. Enumerable.Range(0, 14)];

    public void Dispose() => dispatcher.Dispose();

    private Level Pieces => Level.From(((Product)store.Read($"stock||{Product.KeyOf("p0")}").Value!).Holdings);

    [Theory, MemberData(nameof(Operations)), Trait("Hazard", "H28")]
    public void Of_an_order_that_Orders_does_not_know_nothing_stays_held(int operations)
    {
        sidecar.Allowed = operations;
        Dispatch(ToDelivery());
        // What fails now is tried again: the dead letter is redelivered.
        sidecar.Allowed = operations % 4;
        Dispatch(ToDeadLetter());
        sidecar.Allowed = int.MaxValue;
        Assert.Equal(Status.Success, Dispatch(ToDeadLetter()));
        Assert.Single(store.All<DeadLetter>("stock||dead-letter:"));
        Sweep();
        Assert.Equal(new Level(Available: 10), Pieces);

        // An operator who redrives it reserves nothing.
        Assert.Equal(Status.Success, Dispatch(ToDelivery()));
        Sweep();
        Assert.Equal(new Level(Available: 10), Pieces);
    }

    [Theory, MemberData(nameof(Operations)), Trait("Hazard", "H28")]
    public void A_pending_order_keeps_its_lines_until_it_is_decided(int operations)
    {
        outcome = OrderOutcome.Pending;
        sidecar.Allowed = operations;
        Dispatch(ToDelivery());
        sidecar.Allowed = int.MaxValue;
        Assert.Equal(Status.Success, Dispatch(ToDeadLetter()));
        // Order-created is resent.
        Assert.Equal(Status.Success, Dispatch(ToDelivery()));
        Assert.Equal(new Level(Available: 9, Held: 1), Pieces);

        outcome = OrderOutcome.Confirmed;
        Sweep();
        Assert.Equal(new Level(Available: 9, Consumed: 1), Pieces);
    }

    [Fact, Trait("Hazard", "H28")]
    public void The_retries_end_at_every_operation_of_the_handler()
    {
        sidecar.Allowed = Operations.Count - 1;
        Assert.Equal(Status.Success, Dispatch(ToDelivery()));
    }

    private Delivery ToDelivery() => new(created.Topic, created.Id, ByteString.CopyFrom(created.ToJson()));

    private Delivery ToDeadLetter() => new(new AppId("stock").DeadLetterTopic, created.Id, SimulatedShop.ToCloudEvent(created));

    private Status Dispatch(Delivery delivery) => world.Run(() => dispatcher.DispatchAsync(delivery, default));

    private void Sweep()
    {
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + Deadline);
        world.Run(async () =>
        {
            await sweep.RunAsync(default);
            return true;
        });
    }

    private sealed class FailingSidecar(ISidecar behind) : SidecarDecorator(behind)
    {
        /// <summary>Operations that succeed from now on.</summary>
        public int Allowed { get; set; } = int.MaxValue;

        protected override Task<T> InterceptAsync<T>(Func<Task<T>> operation) => Allowed-- > 0 ? operation() : throw new SidecarDownException();
    }
}
