using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;

namespace Saga.Tests;

/// <summary>An instance of Orders without the other services.</summary>
internal sealed class OrdersAlone
{
    public static readonly SagaOptions Options = SagaOptions.Read(new(new ConfigurationBuilder().Build()));

    /// <param name="options">Null: the defaults.</param>
    /// <param name="beside">An instance with the same store. Null: it is alone.</param>
    /// <param name="precheck">Null: no order is placed by a request.</param>
    /// <param name="steps">Null: the default ones.</param>
    public OrdersAlone(SagaOptions? options = null, OrdersAlone? beside = null, PrecheckClient? precheck = null, SagaSteps? steps = null)
    {
        steps ??= SagaSteps.Default;
        (World, Store) = beside is null ? (new(1), new()) : (beside.World, beside.Store);
        var sidecar = new SimulatedSidecar(World, Store, "orders", null, () => SidecarFaults.None, () => false, _ => { });
        var documents = DocumentStore.Create(sidecar, new(World.Clock, World.Chance));
        Orders = new(documents, sidecar, World.Clock, NullLoggerFactory.Instance);
        var timeouts = SagaTimeouts.Of(Options);
        var openOrders = new OpenOrderLog(sidecar, World.Clock, () => World.NewId().ToString("N"), NullLogger<OpenOrderLog>.Instance);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("orders"), World.Clock);
        Sweep = new(
            Orders, null!, sidecar, openOrders, new(documents, sidecar, World.Clock), steps, timeouts, deadLetters, World.Clock, NullLoggerFactory.Instance);
        Sweep.Visited += _ => BeforeVisit();
        Limiter = new(Orders, Sweep, World.Clock);
        Observer = new(Orders, Limiter, openOrders, sidecar, World.Clock, NullLoggerFactory.Instance);
        Placing = new(Orders, sidecar, openOrders, precheck!, Limiter, options ?? Options, steps, World.Clock);
    }

    public World World { get; }

    public SimulatedStore Store { get; }

    public OrderStore Orders { get; }

    public OrderSweep Sweep { get; }

    public OpenOrderLimiter Limiter { get; }

    public OrderObserver Observer { get; }

    public PlaceOrderHandler Placing { get; }

    /// <summary>Called when a sweep has read an order, before any handler of <see cref="OrderSweep.Visited"/>.</summary>
    public Action BeforeVisit { get; set; } = () => { };
}
