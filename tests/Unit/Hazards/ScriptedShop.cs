using System.Collections.Immutable;
using Grpc.Core;
using Orders;
using Shop.V1;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests.Hazards;

/// <summary>A fault at one operation of one service.</summary>
internal enum Fault
{
    /// <summary>The process crashes before it.</summary>
    Death,
    /// <summary>It fails without effect.</summary>
    Failure,
    /// <summary>It fails after it took effect.</summary>
    FalseFailure,
    /// <summary>The handler is suspended before it, until resumed.</summary>
    Sleep,
}

/// <summary>
/// The four services and a broker that delivers nothing by itself: the test scripts deliveries, losses, faults and time.
/// There are ten pieces each of the products a, b and c, at 1,000 won; the user u has 10,000 won and the coupon c, with a discount of 500.
/// </summary>
/// <param name="seed">Decides the sequence of concurrent handlers.</param>
internal sealed class ScriptedShop
{
    private static readonly string[] Apps = ["orders", "stock", "payments", "coupons"];

    public static readonly SagaTimeouts SagaTimeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));

    private readonly World world;
    private readonly Dictionary<string, Instance> running;
    private readonly List<(string App, OutgoingEvent Event)> waiting = [];
    private readonly List<string> accepted = [];
    private readonly List<Product> products = [.. new[] { "a", "b", "c" }.Select(id => new Product(id, "", 1_000, Holdings.Of(10), []))];
    private readonly List<Account> accounts = [new("u", Holdings.Of(10_000), [])];
    private readonly List<Coupon> coupons = [new("c", "u", 500, 0, 0, DateTimeOffset.MaxValue, Holdings.Of(1), [])];
    private readonly List<TaskCompletionSource> sleepers = [];
    private (string App, Fault What, int Left)? ahead;
    private (string Topic, bool Afterwards)? deathAhead;

    public ScriptedShop(int seed = 1)
    {
        world = new(seed);
        running = Apps.ToDictionary(app => app, Another);
        foreach (var product in products) Store.TryWrite($"stock||{Product.KeyOf(product.Id)}", product, "");
        foreach (var account in accounts) Store.TryWrite($"payments||{Account.KeyOf(account.UserId)}", account, "");
        foreach (var coupon in coupons) Store.TryWrite($"coupons||{Coupon.KeyOf(coupon.Id)}", coupon, "");
    }

    public SimulatedStore Store { get; } = new();

    /// <summary>The number of events that are expected to contradict the store.</summary>
    public int ExpectedDeadLetters { get; set; }

    /// <summary>Every event that was published, oldest first.</summary>
    public List<OutgoingEvent> Published { get; } = [];

    /// <summary>Called after every operation of any service.</summary>
    public Action AfterEach { get; set; } = () => { };

    /// <summary>The calls of Orders to participants, such as "stock Reserve", oldest first.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>The fault of a call, by its name in <see cref="Calls"/>. Null: none.</summary>
    public Func<string, Fault?> CallFault { get; set; } = _ => null;

    /// <summary>What a participant answers instead, by the name of the call. Null: what it decides.</summary>
    public Func<string, ReserveResponse?> FakeAnswer { get; set; } = _ => null;

    /// <summary>The services of a version that does not know the calls of an orchestrated order.</summary>
    public HashSet<string> Older { get; } = [];

    /// <summary>Nothing can be published while it is true.</summary>
    public bool IsBrokerDown { get; set; }

    /// <summary>True once the scripted fault has happened.</summary>
    public bool TroubleCame { get; private set; }

    public Order this[string orderId] => Find(orderId) ?? throw new InvalidOperationException($"There is no order {orderId}.");

    public Level Pieces(string product) => Level.From(((Product)Store.Read($"stock||{Product.KeyOf(product)}").Value!).Holdings);

    public Level Won => Level.From(((Account)Store.Read($"payments||{Account.KeyOf("u")}").Value!).Holdings);

    public Level CouponUses => Level.From(((Coupon)Store.Read($"coupons||{Coupon.KeyOf("c")}").Value!).Holdings);

    public Reservation? ReservationOf(string app, string orderId) => (Reservation?)Store.Read($"{app}||{Reservation.KeyOf(orderId)}").Value;

    /// <summary>True: the order has a mark Reserved at the service.</summary>
    public bool Holds(string app, string orderId) => (app switch
    {
        "stock" => Store.All<Product>("stock||product:").Select(product => product.Holdings),
        "payments" => Store.All<Account>("payments||account:").Select(account => account.Holdings),
        _ => Store.All<Coupon>("coupons||coupon:").Select(coupon => coupon.Holdings),
    }).Any(holdings => holdings.MarkFor(orderId) is { State: MarkState.Reserved });

    /// <summary>Leaves this number of a product before the test begins.</summary>
    public void Short(string product, long left)
    {
        var there = products.Single(one => one.Id == product) with { Holdings = Holdings.Of(left) };
        products[products.FindIndex(one => one.Id == product)] = there;
        Store.Delete($"stock||{Product.KeyOf(product)}");
        Store.TryWrite($"stock||{Product.KeyOf(product)}", there, "");
    }

    /// <summary>Leaves this balance before the test begins.</summary>
    public void Poor(long won)
    {
        accounts[0] = accounts[0] with { Holdings = Holdings.Of(won) };
        Store.Delete($"payments||{Account.KeyOf("u")}");
        Store.TryWrite($"payments||{Account.KeyOf("u")}", accounts[0], "");
    }

    /// <summary>An order of the user, by default for two pieces of the product a.</summary>
    /// <param name="number">Distinguishes it from other orders.</param>
    public static Order OrderOf(string? coupon = "c", int number = 1, params (string Product, int Quantity)[] items)
    {
        ImmutableArray<Item> lines = [.. (items.Length > 0 ? items : [("a", 2)]).Select(item => new Item(item.Product, item.Quantity, 1_000))];
        var (total, discount) = (lines.Sum(line => line.Quantity * line.UnitPrice), coupon is null ? 0 : 500);
        return new(
            new Guid(number, 0, 0, new byte[8]).ToString(), "u", OrderStatus.Pending, lines,
            new(total, discount, total - discount), coupon, new("", "", ""), "",
            null, default, [], SagaSteps.Default.For(coupon, default));
    }

    /// <returns>The id of the order.</returns>
    public string Place(Order order)
    {
        Run(Placing(order));
        return order.Id;
    }

    public Func<Task> Placing(Order order) => async () =>
    {
        var at = running["orders"];
        var now = at.Clock.GetUtcNow();
        await at.PlaceOrder!.StoreAsync(
            order with { Placed = now, Timeline = [new(now, "order-created", "", OrderStatus.Pending, null)] }, default);
        accepted.Add(order.Id);
    };

    /// <summary>Places an order and carries it out by calls.</summary>
    /// <returns>What PayOrder answers. Null: Orders has crashed, or the call failed.</returns>
    public Order? Pay(Order order)
    {
        Order? paid = null;
        Run(async () =>
        {
            var at = running["orders"];
            await Placing(order with { Pattern = SagaPattern.Orchestration })();
            try
            {
                paid = await at.PayOrder!.CarryOutAsync(this[order.Id]);
            }
            catch (SidecarDownException)
            {
                // The client gets UNAVAILABLE.
            }
        });
        return paid;
    }

    public Explanation Explain(string orderId) =>
        Explanation.Of(this[orderId], SagaSteps.Default, SagaTimeouts, world.Clock.GetUtcNow(), running["orders"].Orchestrator!.GetProblem);

    public Func<Task> Paying(string orderId) => () => running["orders"].PayOrder!.CarryOutAsync(this[orderId]);

    public Func<Task> Cancelling(string orderId) => () =>
        running["orders"].Steps!.ApplyAsync(orderId, (kept, at) => OrderDecisions.Cancel(kept, "", at), default);

    public Func<Task> Sweeping(string app, Instance? by = null) => () => (by ?? running[app]).SweepAsync!(default);

    /// <summary>Delivers the first event of the topic that waits for the service; one that fails waits again.</summary>
    public Func<Task> Delivering(string app, string topic, Instance? by = null)
    {
        var next = waiting.First(one => one.App == app && one.Event.Topic == topic);
        waiting.Remove(next);
        return () => HandleAsync(next, by ?? running[app]);
    }

    public void Deliver(string app, string topic) => Run(Delivering(app, topic));

    /// <summary>Redelivers the last event of the topic.</summary>
    public void DeliverAgain(string app, string topic) => Run(() => HandleAsync((app, Published.Last(e => e.Topic == topic)), running[app]));

    /// <summary>Delivers an event that no service has published.</summary>
    /// <returns>The status that the service answers.</returns>
    public Status Receive(string app, string eventId, Google.Protobuf.IMessage message)
    {
        var answer = (Status?)null;
        var handler = running[app].Subscriptions.On(OutgoingEvent.GetTopic(message.Descriptor.Name))!;
        Run(async () => answer = await running[app].Dispatcher.DispatchAsync(
            new(OutgoingEvent.GetTopic(message.Descriptor.Name), eventId, Google.Protobuf.ByteString.CopyFrom(new OutgoingEvent(eventId, message).ToJson())),
            handler, () => message, default));
        return answer!.Value;
    }

    /// <summary>The services that subscribe to the topic of an event.</summary>
    public IEnumerable<string> SubscribersOf(Google.Protobuf.IMessage message) =>
        Apps.Where(app => running[app].Subscriptions.Topics.Contains(OutgoingEvent.GetTopic(message.Descriptor.Name)));

    public void Lose(string app, string topic) => waiting.Remove(waiting.First(one => one.App == app && one.Event.Topic == topic));

    public void LoseAll() => waiting.Clear();

    /// <summary>Delivers all waiting events, and those that are published meanwhile.</summary>
    public void DeliverAll()
    {
        while (waiting is [var next, ..]) Deliver(next.App, next.Event.Topic);
    }

    /// <summary>Delivers waiting events, and those that are published meanwhile, up to this number.</summary>
    public void DeliverUntil(string app, string topic)
    {
        while (waiting[0] is var next && (next.App, next.Event.Topic) != (app, topic)) Deliver(next.App, next.Event.Topic);
    }

    /// <summary>Delivers all waiting events concurrently, and those that are published meanwhile.</summary>
    public void DeliverTogether()
    {
        while (waiting.Count > 0) Together([.. waiting.ToArray().Select(one => Delivering(one.App, one.Event.Topic))]);
    }

    /// <summary>Redelivers every published event a number of times, in a sequence of the seed.</summary>
    public void Replay(int times)
    {
        var again = Enumerable.Repeat(Published.ToArray(), times).SelectMany(all => all).SelectMany(e => GetSubscribers(e).Select(app => (app, e))).ToArray();
        world.Chance.Shuffle(again);
        foreach (var (app, e) in again) Run(() => HandleAsync((app, e), running[app]));
    }

    public void Together(params Func<Task>[] work) => Run(() => Task.WhenAll(work.Select(one => one())));

    /// <summary>Starts a second instance of a service.</summary>
    public Instance Another(string app) =>
        new(world, app, SagaTimeouts, Find, instance => new FaultySidecar(
            new SimulatedSidecar(world, Store, app, null, () => SidecarFaults.None, () => instance.Dead, e => Publish(e, instance)), instance, this),
            participants: _ => new ScriptedCalls(this));

    /// <summary>Crashes a service and starts it again.</summary>
    public void Kill(string app)
    {
        running[app].Crash();
        running[app] = Another(app);
    }

    /// <summary>Scripts a fault after a number of further operations of the service.</summary>
    public void TroubleAhead(string app, Fault what, int after) => (ahead, TroubleCame) = ((app, what, after), false);

    /// <summary>Scripts a crash just before or just after the next publish on the topic.</summary>
    public void DeathAhead(string topic, bool afterwards) => (deathAhead, TroubleCame) = ((topic, afterwards), false);

    /// <summary>Resumes the suspended handler.</summary>
    public void Wake() => Run(() =>
    {
        TaskCompletionSource[] all = [.. sleepers];
        sleepers.Clear();
        foreach (var sleeper in all) sleeper.SetResult();
        return Task.CompletedTask;
    });

    public void Pass(TimeSpan time) => world.Clock.AdvanceTo(world.Clock.GetUtcNow() + time);

    public void SetClock(string app, TimeSpan wrong) => running[app].Clock.Wrong = wrong;

    public void Sweep(string app) => Run(Sweeping(app));

    /// <summary>Delivers and sweeps without faults until every order is closed, and checks the invariants.</summary>
    public void CloseAll()
    {
        ahead = null;
        for (var turn = 0; turn < 30 && !IsQuiescent; turn++)
        {
            DeliverAll();
            Pass(TimeSpan.FromSeconds(10));
            foreach (var app in Apps) Sweep(app);
        }
        Assert.Empty(Audit.Of(Store, accepted, products, accounts, coupons));
        Assert.Equal(ExpectedDeadLetters, Apps.SelectMany(app => Store.All<DeadLetter>($"{app}||dead-letter:")).Count());
    }

    private bool IsQuiescent => waiting.Count == 0
        && Store.All<Order>("orders||order:").All(order => order.IsClosed)
        && Store.All<Order>("orders||order:").Where(order => order.Status != OrderStatus.Abandoned).All(order => Audit.IsArchived(Store, order));

    private Task SleepAsync()
    {
        sleepers.Add(new());
        return sleepers[^1].Task;
    }

    private Order? Find(string orderId) =>
        Store.Read($"orders||{Order.KeyOf(orderId)}").Value as Order is { Status: not OrderStatus.Abandoned } order ? order : null;

    private void Publish(OutgoingEvent e, Instance by)
    {
        if (IsBrokerDown) throw new SidecarDownException();
        if (deathAhead is var (topic, afterwards) && topic == e.Topic)
        {
            (deathAhead, TroubleCame) = (null, true);
            by.Crash();
            if (!afterwards) return;
        }
        Published.Add(e);
        waiting.AddRange(GetSubscribers(e).Select(app => (app, e)));
    }

    private IEnumerable<string> GetSubscribers(OutgoingEvent e) => Apps.Where(app => running[app].Subscriptions.Topics.Contains(e.Topic));

    private async Task HandleAsync((string App, OutgoingEvent Event) delivered, Instance by)
    {
        void Redeliver() => waiting.Add(delivered);
        by.OnCrash += Redeliver;
        try
        {
            var handler = by.Subscriptions.On(delivered.Event.Topic)!;
            var status = await by.Dispatcher.DispatchAsync(
                new(delivered.Event.Topic, delivered.Event.Id, Google.Protobuf.ByteString.Empty), handler, () => delivered.Event.Message, default);
            if (status != Status.Success) Redeliver();
        }
        finally
        {
            by.OnCrash -= Redeliver;
        }
    }

    /// <summary>Runs the work to its end, or until its process has crashed.</summary>
    private void Run(Func<Task> work)
    {
        Task? task = null;
        world.Post(_ => task = work(), null);
        world.Run(() => task is { IsCompleted: true });
        if (task!.IsCompleted) task.GetAwaiter().GetResult();
        else foreach (var dead in running.Values.Where(instance => instance.Dead).ToArray()) running[dead.App] = Another(dead.App);
    }


    private sealed class ScriptedCalls(ScriptedShop shop) : IParticipantCalls
    {
        public Task<ReserveResponse> ReserveAsync(Step step, OrderCreatedEvent order, CancellationToken ct) =>
            CallAsync(step, "Reserve", order, async called => shop.FakeAnswer($"{step.Name} Reserve") ?? await called.TryAsync(order, default));

        public Task<ReleaseResponse> ReleaseAsync(Step step, OrderFailedEvent order, CancellationToken ct) =>
            CallAsync(step, "Release", order, called => called.CancelAsync(order, default));

        private async Task<T> CallAsync<T>(Step step, string method, Google.Protobuf.IMessage order, Func<IOrderStep, Task<T>> make)
        {
            // As ParticipantGrpcService checks it.
            Assert.Equal("", EventRules.Violations(order));
            var call = $"{step.Name} {method}";
            shop.Calls.Add(call);
            if (shop.Older.Contains(step.Name)) throw new RpcException(new(StatusCode.Unimplemented, "Service is unimplemented."));
            var fault = shop.CallFault(call);
            if (fault == Fault.Failure) throw NotAnswered(call);
            if (shop.running[step.Name].Dead) shop.running[step.Name] = shop.Another(step.Name);
            var called = shop.running[step.Name];
            var answer = new TaskCompletionSource<T>();
            called.OnCrash += Break;
            _ = AnswerAsync();
            var answered = await answer.Task;
            called.OnCrash -= Break;
            return fault == Fault.FalseFailure ? throw NotAnswered(call) : answered;

            void Break() => answer.TrySetException(NotAnswered(call));

            async Task AnswerAsync()
            {
                try
                {
                    answer.TrySetResult(await make(called.Step!));
                }
                catch (Exception problem)
                {
                    answer.TrySetException(Faults.IsTransient(problem) ? NotAnswered(call) : problem);
                }
            }
        }

        private static RpcException NotAnswered(string call) => new(new(StatusCode.Unavailable, $"{call} was not answered."));
    }

    private sealed class FaultySidecar(ISidecar behind, Instance instance, ScriptedShop shop) : SidecarDecorator(behind)
    {
        protected override async Task<T> InterceptAsync<T>(Func<Task<T>> operation)
        {
            var trouble = Next();
            if (trouble == Fault.Death) instance.Crash();
            if (trouble == Fault.Failure) throw new SidecarDownException();
            if (trouble == Fault.Sleep) await shop.SleepAsync();
            var result = await operation();
            Assert.Empty(Audit.OfExpiry(shop.Store));
            shop.AfterEach();
            return trouble == Fault.FalseFailure ? throw new SidecarDownException() : result;
        }

        private Fault? Next()
        {
            if (shop.ahead is not { } ahead || ahead.App != instance.App) return null;
            shop.ahead = ahead.Left == 0 ? null : ahead with { Left = ahead.Left - 1 };
            if (ahead.Left > 0) return null;
            shop.TroubleCame = true;
            return ahead.What;
        }
    }
}
