using Coupons;
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

/// <summary>One process of one service: its real handlers and its real sweep. When it has crashed, none of its operations is ever answered.</summary>
internal sealed class Instance
{
    /// <param name="find">The order as Orders would tell it.</param>
    public Instance(World world, string app, Limits limits, Func<string, Order?> find, Func<Instance, ISidecar> sidecarOf)
    {
        App = app;
        Clock = new(world.Clock);
        var sidecar = sidecarOf(this);
        var patience = new Patience(Clock, world.Chance);
        var documents = new Documents(sidecar, patience, readsAfterMistake: 2);
        var openLog = new OpenLog(sidecar, Clock, () => world.Chance.Next().ToString("x"), NullLogger<OpenLog>.Instance);
        var appId = new AppId(app);
        var deadLetters = new DeadLetters(documents, sidecar, new(documents, sidecar), appId, Clock);
        Dispatcher = new(Subscriptions, deadLetters, appId, Clock, NullLogger<EventDispatcher>.Instance);
        LookAsync = (keys, stop) => app == "stock" ? documents.LookAsync<Product>(keys, stop) : documents.LookAsync<Account>(keys, stop);
        switch (app)
        {
            case "orders":
                Steps = new OrderSteps(new Transition(documents, sidecar), Clock, NullLoggerFactory.Instance);
                NotedIds = new NotedIds(openLog, limits, Clock, world.NewId);
                Placing = new Placing(Steps, sidecar, openLog, NotedIds, null!, Clock);
                SweepAsync = new OrderSweep(Steps, sidecar, openLog, NotedIds, new(documents, sidecar, Clock), limits, deadLetters, Clock, NullLoggerFactory.Instance).RunAsync;
                var orders = new OrderHandlers(Steps, NullLoggerFactory.Instance);
                Subscriptions
                    .On<StockReservedEvent>(orders.OnAsync).On<StockReservationFailedEvent>(orders.OnAsync).On<StockReleasedEvent>(orders.OnAsync)
                    .On<PaymentCompletedEvent>(orders.OnAsync).On<PaymentFailedEvent>(orders.OnAsync).On<PaymentRefundedEvent>(orders.OnAsync)
                    .On<CouponUsedEvent>(orders.OnAsync).On<CouponUsageFailedEvent>(orders.OnAsync).On<CouponRestoredEvent>(orders.OnAsync);
                break;
            case "stock":
                var stock = new StockHandlers(Holder<Product>(Product.KeyOf), sidecar, NullLoggerFactory.Instance);
                Subscriptions.On<OrderCreatedEvent>(stock.ReserveAsync).On<OrderConfirmedEvent>(stock.SettleAsync).On<OrderFailedEvent>(stock.ReleaseAsync);
                break;
            case "payments":
                var payments = new PaymentHandlers(Holder<Account>(Account.KeyOf), sidecar, NullLoggerFactory.Instance);
                Subscriptions.On<OrderCreatedEvent>(payments.ChargeAsync).On<OrderConfirmedEvent>(payments.SettleAsync).On<OrderFailedEvent>(payments.RefundAsync);
                break;
            case "coupons":
                var coupons = new CouponHandlers(Holder<Coupon>(Coupon.KeyOf), sidecar, Clock, NullLoggerFactory.Instance);
                Subscriptions.On<OrderCreatedEvent>(coupons.UseAsync).On<OrderConfirmedEvent>(coupons.SettleAsync).On<OrderFailedEvent>(coupons.RestoreAsync);
                break;
        }

        Participant<T> Holder<T>(Func<string, string> keyOf) where T : class, IShared<T>
        {
            var participant = new Participant<T>(documents, sidecar, keyOf, openLog.AddAsync, Clock, patience);
            SweepAsync = new HoldSweep<T>(participant, sidecar, openLog, AskAsync, limits.Deadline, deadLetters, Clock, NullLogger<HoldSweep<T>>.Instance).RunAsync;
            return participant;
        }

        async Task<OrderFate> AskAsync(string orderId, CancellationToken stop)
        {
            await world.TurnAsync(() => Dead);
            return find(orderId) switch
            {
                null => OrderFate.Over,
                { Status: OrderStatus.Confirmed } => OrderFate.Confirmed,
                { Status: OrderStatus.Failed, Settled: true } => OrderFate.Over,
                { Status: OrderStatus.Failed } => OrderFate.Failing,
                _ => OrderFate.Pending,
            };
        }
    }

    public string App { get; }

    public LocalClock Clock { get; }

    public Subscriptions Subscriptions { get; } = new();

    public EventDispatcher Dispatcher { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public Placing? Placing { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public NotedIds? NotedIds { get; }

    /// <summary>Null unless it is one of Orders.</summary>
    public OrderSteps? Steps { get; }

    /// <summary>Looks up products or accounts, as Orders asks before an order is placed.</summary>
    public Func<IReadOnlyList<string>, CancellationToken, Task> LookAsync { get; }

    public Func<CancellationToken, Task>? SweepAsync { get; private set; }

    public bool Dead { get; private set; }

    public event Action? OnCrash;

    public void Crash()
    {
        Dead = true;
        OnCrash?.Invoke();
    }
}
