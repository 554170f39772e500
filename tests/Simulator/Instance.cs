using Coupons;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Payments;
using Shop.V1;
using Stock;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>One process of one service: its real handlers and its real sweep. After a crash none of its operations returns.</summary>
internal sealed class Instance
{
    /// <param name="find">Returns the order as GetOrder would.</param>
    /// <param name="logs">Null: nothing is logged.</param>
    /// <param name="batching">As Saga:Batching.</param>
    /// <param name="caching">As Saga:Caching.</param>
    /// <param name="steps">As Saga:Steps.</param>
    /// <param name="participants">Null: no order is orchestrated.</param>
    public Instance(
        World world, string app, SagaTimeouts timeouts, Func<string, Order?> find, Func<Instance, ISidecar> sidecarOf, ILoggerFactory? logs = null,
        bool batching = true, bool caching = true, SagaSteps? steps = null, Func<Instance, IParticipantCalls>? participants = null)
    {
        steps ??= SagaSteps.Default;
        logs ??= NullLoggerFactory.Instance;
        App = app;
        Clock = new(world.Clock);
        var sidecar = sidecarOf(this);
        var backoff = new ConflictBackoff(Clock, world.Chance);
        var documents = DocumentStore.Create(sidecar, backoff, combine: batching, cache: caching, suspendAfterMiss: 2);
        var appId = new AppId(app);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), appId, Clock);
        var openOrders = new OpenOrderLog(sidecar, Clock, () => world.Chance.Next().ToString("x"), logs.CreateLogger<OpenOrderLog>(), deadLetters);
        LeaveAsync = openOrders.LeaveAsync;
        Dispatcher = new(Subscriptions, deadLetters, appId, Clock, logs.CreateLogger<EventDispatcher>());
        ReadAndCacheAsync = (keys, ct) => app == "stock" ? documents.ReadAndCacheAsync<Product>(keys, ct) : documents.ReadAndCacheAsync<Account>(keys, ct);
        switch (app)
        {
            case "orders":
                Steps = new OrderStore(documents, sidecar, Clock, logs);
                PlaceOrder = new PlaceOrderHandler(Steps, sidecar, openOrders, null!, null!, null!, steps, Clock);
                var orchestrator = Orchestrator = new Orchestrator(Steps, participants?.Invoke(this)!, Clock, logs);
                PayOrder = new PayOrderHandler(PlaceOrder, orchestrator, Steps, timeouts, Clock);
                SweepAsync = new OrderSweep(
                    Steps, orchestrator, sidecar, openOrders, new(documents, sidecar, Clock), steps, timeouts, deadLetters, Clock, logs).RunAsync;
                var orders = new OrderHandlers(Steps, steps, logs);
                Subscriptions
                    .On<StockReservedEvent>(orders.OnAsync).On<StockReservationFailedEvent>(orders.OnAsync).On<StockReleasedEvent>(orders.OnAsync)
                    .On<PaymentCompletedEvent>(orders.OnAsync).On<PaymentFailedEvent>(orders.OnAsync).On<PaymentRefundedEvent>(orders.OnAsync)
                    .On<CouponUsedEvent>(orders.OnAsync).On<CouponUsageFailedEvent>(orders.OnAsync).On<CouponRestoredEvent>(orders.OnAsync)
                    .OnSteps(orders);
                break;
            case "stock":
                var stock = new StockHandlers(Holder<Product>(Product.KeyOf), sidecar, AskAsync, logs);
                Step = stock;
                Subscriptions
                    .On<OrderCreatedEvent>(stock.ReserveAsync, onDeadLetter: stock.RecoverDeadLetteredAsync)
                    .On<OrderConfirmedEvent>(stock.SettleAsync).On<OrderFailedEvent>(stock.ReleaseAsync);
                break;
            case "payments":
                var payments = new PaymentHandlers(Holder<Account>(Account.KeyOf), sidecar, AskAsync, logs);
                Step = payments;
                Subscriptions
                    .On<OrderCreatedEvent>(payments.ChargeAsync, onDeadLetter: payments.RecoverDeadLetteredAsync)
                    .On<OrderConfirmedEvent>(payments.SettleAsync).On<OrderFailedEvent>(payments.RefundAsync);
                break;
            case "coupons":
                var coupons = new CouponHandlers(Holder<Coupon>(Coupon.KeyOf), sidecar, AskAsync, Clock, logs);
                Step = coupons;
                Subscriptions
                    .On<OrderCreatedEvent>(coupons.UseAsync, onDeadLetter: coupons.RecoverDeadLetteredAsync)
                    .On<OrderConfirmedEvent>(coupons.SettleAsync).On<OrderFailedEvent>(coupons.RestoreAsync);
                break;
            case Member.App:
                var member = new StepHandlers<Member>(Holder<Member>(Member.KeyOf), documents, sidecar, Member.KeyOf, AskAsync, appId, Member.Decisions, logs.CreateLogger(app));
                Step = member;
                member.SubscribeTo(Subscriptions);
                break;
        }

        Participant<T> Holder<T>(Func<string, string> keyOf) where T : class, IHasHoldings<T>
        {
            var participant = new Participant<T>(documents, sidecar, keyOf, openOrders, Clock);
            SweepAsync = new ReservationSweep<T>(
                participant, sidecar, openOrders, AskAsync, timeouts.Deadline, deadLetters, Clock, logs.CreateLogger<ReservationSweep<T>>()).RunAsync;
            return participant;
        }

        async Task<OrderOutcome> AskAsync(string orderId, CancellationToken ct)
        {
            await world.TurnAsync(() => Dead);
            return find(orderId) switch
            {
                null => OrderOutcome.Unknown,
                { Status: OrderStatus.Confirmed } => OrderOutcome.Confirmed,
                { Status: OrderStatus.Failed, IsClosed: true } => OrderOutcome.Closed,
                { Status: OrderStatus.Failed } => OrderOutcome.Compensating,
                _ => OrderOutcome.Pending,
            };
        }
    }

    public string App { get; }

    public LocalClock Clock { get; }

    public Subscriptions Subscriptions { get; } = new();

    public EventDispatcher Dispatcher { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public PlaceOrderHandler? PlaceOrder { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public OrderStore? Steps { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public PayOrderHandler? PayOrder { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public Orchestrator? Orchestrator { get; }

    /// <summary>What Orders calls for an orchestrated order. Null unless it is a participant.</summary>
    public IOrderStep? Step { get; }

    /// <summary>Looks up products or accounts, as Orders asks before an order is placed.</summary>
    public Func<IReadOnlyList<string>, CancellationToken, Task> ReadAndCacheAsync { get; }

    public Func<CancellationToken, Task>? SweepAsync { get; private set; }

    /// <summary>The last thing that a process does that is stopped.</summary>
    public Func<CancellationToken, Task> LeaveAsync { get; }

    public bool Dead { get; private set; }

    public event Action? OnCrash;

    public void Crash()
    {
        Dead = true;
        OnCrash?.Invoke();
    }
}
