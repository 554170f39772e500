using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Coupons;
using Dapr;
using Google.Protobuf;
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
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests;

/// <summary>The faults of a run, each as a probability: per operation, per event, per second of an instance.</summary>
/// <param name="ClockJumps">The clock of an instance jumps, by up to <see cref="SimulatedShop.ClockWrongMax"/> forward or back.</param>
/// <param name="Unswept">There is no sweep, and clients retry until they succeed: redelivery must be enough.</param>
/// <param name="Poison">An event that no service would publish is published; see <see cref="Saga.Tests.Poison"/>.</param>
/// <param name="RefusesMissing">See <see cref="SimulatedStore"/>.</param>
/// <param name="Corrupt">A document of an open-order log becomes corrupt until the faults stop, or a log with corrupt entries appears.</param>
/// <param name="Stop">An instance is stopped as by SIGTERM, and its successor started, as in a rolling upgrade.</param>
internal sealed record WorldFaults(
    SidecarFaults Sidecar, double Lost, double Doubled, double Crash, double ClockJumps, bool Replay, double Poison, bool RefusesMissing, bool Unswept = false,
    double Corrupt = 0, double Stop = 0);

/// <summary>The real decisions, handlers and sweeps of all four services in a simulated world, in two instances each.</summary>
internal sealed class SimulatedShop
{
    /// <summary>Prefix of the id of a poison event.</summary>
    public const string PoisonPrefix = "poison-";

    private const int InstancesMax = 2;

    /// <summary>Attempts at a delivery before it becomes a dead letter, as in components/resiliency.yaml.</summary>
    private const int AttemptsMax = 8;

    /// <summary>
    /// Deliveries in progress at one app, at most, as a sidecar bounds them. Without a limit deliveries that time out because all are slow are delivered
    /// again, which makes all slower: a world that never becomes quiet.
    /// </summary>
    private const int InProgressMax = 64;

    /// <summary>Timeout of a handler.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(4);

    /// <summary>Longer than the calm part of a run: code that waits until a wrong clock is right fails the run.</summary>
    public static readonly TimeSpan ClockWrongMax = TimeSpan.FromMinutes(10);

    private static readonly SagaTimeouts SagaTimeouts = new(TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(10));
    private static readonly TimeSpan SweepPeriod = TimeSpan.FromSeconds(4);

    private static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(
        JsonTypeInfoResolver.Combine(OrderStateJsonContext.Default, StockJsonContext.Default, PaymentJsonContext.Default, CouponJsonContext.Default,
            MemberJsonContext.Default));

    private readonly World world;
    private readonly WorldFaults faults;
    private readonly List<(string App, OutgoingEvent Event)> published = [];
    private readonly Dictionary<string, int> inProgress = [];

    /// <summary>Deliveries over <see cref="InProgressMax"/>, by app.</summary>
    private readonly Dictionary<string, Queue<Action>> waiting = [];
    private readonly Dictionary<string, List<Instance>> apps = [];
    private readonly Dictionary<string, IReadOnlyCollection<string>> topics = [];
    private readonly List<string> accepted = [];
    /// <summary>Corrupt documents by key: as they were, and as they are.</summary>
    private readonly Dictionary<string, (object Whole, object Corrupt)> corrupt = [];
    /// <summary>The data of the dead letters that corrupt entries become.</summary>
    private readonly HashSet<string> corruptEntries = [];
    private readonly bool throughJson, throughDapr, batching, caching;
    private readonly SagaSteps steps;
    private bool calm;

    /// <param name="throughJson">Serializes every document to JSON and back, as a store does.</param>
    /// <param name="throughDapr">With the sidecar classes of the product, in front of a simulated daprd: twice as slow.</param>
    /// <param name="batching">As Saga:Batching.</param>
    /// <param name="caching">As Saga:Caching.</param>
    /// <param name="steps">As Saga:Steps.</param>
    public SimulatedShop(
        World world, WorldFaults faults, bool throughJson, bool throughDapr, bool batching, bool caching, SagaSteps steps,
        ETagForm etags = ETagForm.Version)
    {
        this.steps = steps;
        (this.throughDapr, this.batching, this.caching) = (throughDapr, batching, caching);
        Store = new(faults.RefusesMissing, etags);
        this.throughJson = throughJson;
        this.world = world;
        this.faults = faults;
        foreach (var app in (string[])["orders", .. steps.All.Select(step => step.Name)])
        {
            apps[app] = [.. Enumerable.Range(0, world.Chance.Next(1, InstancesMax + 1)).Select(_ => Start(app))];
            topics[app] = apps[app][0].Subscriptions.Topics;
        }
    }

    public SimulatedStore Store { get; }

    public int Crashes { get; private set; }

    public int Stops { get; private set; }

    public int ClockJumps { get; private set; }

    public int DeadLetters { get; private set; }

    public int Deliveries { get; private set; }

    public int Poisoned { get; private set; }

    public int Corrupted { get; private set; }

    /// <summary>Orders that were published although Orders does not know them.</summary>
    public HashSet<string> Forged { get; } = [];

    public IReadOnlyList<string> Accepted => accepted;

    public void Put(Product product) => Put("stock", Product.KeyOf(product.Id), product);

    public void Put(Account account) => Put("payments", Account.KeyOf(account.UserId), account);

    public void Put(Coupon coupon) => Put("coupons", Coupon.KeyOf(coupon.Id), coupon);

    public IEnumerable<T> All<T>(string app, string kind) => Store.All<T>($"{app}||{kind}:");

    public IReadOnlyList<Order> Orders => [.. All<Order>("orders", "order").Where(order => order.Status != OrderStatus.Abandoned)];

    public Order? Find(string orderId) =>
        Store.Read($"orders||{Order.KeyOf(orderId)}").Value is Order { Status: not OrderStatus.Abandoned } order ? order : null;

    /// <summary>A client places an order some time from now, and retries after an error.</summary>
    public void PlaceLater(Order order, TimeSpan delay) => world.Later(delay, async () =>
    {
        // Some orders skip the precheck, and with it the cache.
        if (world.Happens(0.5)) LookLater("stock", [.. order.Items.Select(item => Product.KeyOf(item.ProductId))]);
        if (world.Happens(0.5)) LookLater("payments", [Account.KeyOf(order.UserId)]);
        if (Pick("orders") is not { } instance)
        {
            PlaceLater(order, TimeSpan.FromSeconds(1));
            return;
        }
        // Otherwise it is open whether the client retries.
        if (faults.Unswept) instance.OnCrash += Insist;
        try
        {
            // Without a key a retry places another order.
            var isKeyed = faults.Unswept || world.Happens(0.5);
            var placed = isKeyed ? order : order with { Id = world.NewId().ToString() };
            var now = instance.Clock.GetUtcNow();
            var stored = await instance.PlaceOrder!.StoreAsync(
                placed with { Placed = now, Timeline = [new(now, "order-created", "", OrderStatus.Pending, null)] }, default);
            accepted.Add(placed.Id);
            if (order.Pattern == SagaPattern.Orchestration)
            {
                var paid = await instance.PayOrder!.CarryOutAsync(stored);
                if (paid.Status is not (OrderStatus.Confirmed or OrderStatus.Failed)) throw new InvalidOperationException($"PayOrder has answered {paid.Status}.");
            }
        }
        catch (Exception fault) when (IsFault(fault))
        {
            Insist();
        }
        instance.OnCrash -= Insist;

        void Insist() => PlaceLater(order, TimeSpan.FromSeconds(1));
    });

    private void LookLater(string app, string[] keys) => world.Later(Jitter(20), async () =>
    {
        if (Pick(app) is not { } instance) return;
        try
        {
            await instance.ReadAndCacheAsync(keys, default);
        }
        catch (Exception fault) when (IsFault(fault))
        {
        }
    });

    /// <summary>A client cancels an order some time from now.</summary>
    public void CancelLater(string orderId, TimeSpan delay) => world.Later(delay, async () =>
    {
        if (Find(orderId) is null || Pick("orders") is not { } instance) return;
        try
        {
            await instance.Steps!.ApplyAsync(orderId, (kept, at) => OrderDecisions.Cancel(kept, "", at), default);
        }
        catch (Exception fault) when (IsFault(fault))
        {
        }
    });

    /// <summary>Runs with faults for a while, then without until everything is closed.</summary>
    /// <returns>False: it is not closed within the time that the rules promise.</returns>
    public bool RunUntilQuiescent(TimeSpan stormy)
    {
        var storm = world.Clock.GetUtcNow() + stormy;
        world.Later(stormy, Calm);
        PoisonLater();
        // Without a sweep nothing reads the logs.
        if (faults is { Corrupt: > 0, Unswept: false }) CorruptLater();
        foreach (var instance in apps.Values.SelectMany(instances => instances))
        {
            SweepLater(instance);
            CrashLater(instance);
            StopLater(instance);
            ClockJumpsLater(instance);
        }
        // The deadline and a resend, the take-over of a log, a reservation older than the deadline, and sweeps in between.
        var latest = storm + 24 * SagaTimeouts.Deadline;
        var look = storm + TimeSpan.FromSeconds(1);
        world.Run(() =>
        {
            if (world.Clock.GetUtcNow() < look) return false;
            look = world.Clock.GetUtcNow() + TimeSpan.FromSeconds(1);
            return IsQuiescent() || world.Clock.GetUtcNow() > latest;
        });
        return IsQuiescent();
    }

    /// <summary>Dead letters of events that are not poison and were rejected by a service: a bug, or a contradiction between services.</summary>
    public IEnumerable<DeadLetter> Unexpected() => topics.Keys.SelectMany(app => All<DeadLetter>(app, "dead-letter"))
        .Where(letter => letter.Problem is not null)
        .Where(letter => letter.Topic != OpenOrderLog.DeadLetterKind && !corruptEntries.Contains(Encoding.UTF8.GetString(letter.Data)))
        .Where(letter => !letter.EventId.StartsWith(PoisonPrefix, StringComparison.Ordinal) && !Forged.Contains(EventIds.GetOrderId(letter.EventId)));

    private bool IsQuiescent() =>
        Orders.All(order => order.IsClosed)
        && accepted.All(id => Find(id) is not null)
        && Orders.All(order => Audit.IsArchived(Store, order))
        && All<Product>("stock", "product").All(product => product.Holdings.Held == 0)
        && All<Account>("payments", "account").All(account => account.Holdings.Held == 0)
        && All<Coupon>("coupons", "coupon").All(coupon => coupon.Holdings.Held == 0)
        && All<Member>(Member.App, "member").All(member => member.Holdings.Held == 0);

    private void Calm()
    {
        calm = true;
        world.Note(() => "--- the faults stop ---");
        // An operator repairs what is reported.
        foreach (var (key, (whole, broken)) in corrupt)
        {
            if (Store.Read(key) is { Value: { } there, ETag: var etag } && ReferenceEquals(there, broken))
            {
                Store.TryWrite(key, whole, etag, Store.GetTimeToLive(key));
            }
        }
        // A broker that recovers redelivers what is pending.
        if (faults.Replay) foreach (var (app, e) in published.OrderBy(_ => world.Chance.Next()).ToArray()) DeliverLater(app, e, 1, Jitter(2_000));
    }

    private void Publish(OutgoingEvent e)
    {
        foreach (var app in topics.Keys.Where(app => topics[app].Contains(e.Topic)))
        {
            published.Add((app, e));
            if (!calm && world.Happens(faults.Lost)) continue;
            DeliverLater(app, e, 1, Jitter(20));
            if (!calm && world.Happens(faults.Doubled)) DeliverLater(app, e, 1, Jitter(30_000));
        }
    }

    private void DeliverLater(string app, OutgoingEvent e, int attempt, TimeSpan delay, bool isDeadLetter = false) => world.Later(delay, async () =>
    {
        if (Pick(app) is not { } instance)
        {
            DeliverLater(app, e, attempt, TimeSpan.FromSeconds(1), isDeadLetter);
            return;
        }
        if (inProgress.GetValueOrDefault(app) >= InProgressMax)
        {
            if (!waiting.TryGetValue(app, out var queue)) waiting[app] = queue = new();
            queue.Enqueue(() => DeliverLater(app, e, attempt, TimeSpan.Zero, isDeadLetter));
            return;
        }
        Deliveries++;
        inProgress[app] = inProgress.GetValueOrDefault(app) + 1;
        world.Note(() => $"{app} receives {e.Id}{(isDeadLetter ? ", a dead letter" : "")}");
        var (isOver, hasLeft) = (false, false);
        // Redelivered when its consumer crashed. After a timeout redelivered while the first handler goes on.
        instance.OnCrash += Redeliver;
        world.Later(Timeout, TryAgain);
        try
        {
            var status = isDeadLetter
                ? await instance.Dispatcher.DispatchAsync(new(new AppId(app).DeadLetterTopic, e.Id, ToCloudEvent(e)), default)
                : await DispatchAsync(instance, e);
            if (status == Status.Success) isOver = true;
            else TryAgain();
        }
        finally
        {
            instance.OnCrash -= Redeliver;
            Leave();
        }

        void Leave()
        {
            if (hasLeft) return;
            hasLeft = true;
            inProgress[app]--;
            if (waiting.TryGetValue(app, out var queue) && queue.TryDequeue(out var next)) next();
        }

        void Redeliver()
        {
            Leave();
            if (!isOver) DeliverLater(app, e, attempt, TimeSpan.FromSeconds(world.Chance.Next(1, 60)), isDeadLetter);
            isOver = true;
        }

        void TryAgain()
        {
            if (isOver) return;
            Leave();
            isOver = true;
            if (attempt < AttemptsMax || isDeadLetter || faults.Unswept)
            {
                DeliverLater(app, e, attempt + 1, TimeSpan.FromMilliseconds(500 * attempt), isDeadLetter);
            }
            else
            {
                DeadLetters++;
                DeliverLater(app, e, 1, Jitter(20), isDeadLetter: true);
                // An operator may redrive it at any time, or never.
                if (world.Happens(0.5)) DeliverLater(app, e, AttemptsMax, TimeSpan.FromSeconds(world.Chance.Next(1, 120)));
            }
        }
    });

    private Task<Status> DispatchAsync(Instance instance, OutgoingEvent e)
    {
        var handler = instance.Subscriptions.On(e.Topic)!;
        var data = throughJson ? ByteString.CopyFrom(e.ToJson()) : ByteString.Empty;
        return instance.Dispatcher.DispatchAsync(new(e.Topic, e.Id, data), handler, () => throughJson ? handler.Parse(data) : e.Message, default);
    }

    /// <summary>As the sidecar delivers it to the dead-letter topic.</summary>
    public static ByteString ToCloudEvent(OutgoingEvent e) => ByteString.CopyFromUtf8(
        new JsonObject { ["id"] = e.Id, ["topic"] = e.Topic, ["data_base64"] = Convert.ToBase64String(e.ToJson()) }.ToJsonString());

    private void PoisonLater() => world.Later(TimeSpan.FromSeconds(1), () =>
    {
        if (calm) return;
        if (world.Happens(faults.Poison))
        {
            var unknown = world.NewId().ToString();
            // Without a sweep the reservations of a forged order would stay.
            if (!faults.Unswept && world.Happens(0.1))
            {
                Forged.Add(unknown);
                Publish(new(unknown, Poison.Forged(unknown)));
            }
            else
            {
                var all = Poison.All(accepted.Count > 0 ? accepted[world.Chance.Next(accepted.Count)] : unknown, unknown);
                Publish(new($"{PoisonPrefix}{Poisoned}", all[world.Chance.Next(all.Count)].Create()));
            }
            Poisoned++;
        }
        PoisonLater();
    });

    private void CorruptLater() => world.Later(TimeSpan.FromSeconds(1), () =>
    {
        if (calm) return;
        if (world.Happens(faults.Corrupt))
        {
            string[] services = [.. topics.Keys];
            var app = services[world.Chance.Next(services.Length)];
            Corrupted++;
            if (world.Happens(0.5)) CorruptLogOf(app);
            else LeaveCorruptEntries(app);
        }
        CorruptLater();
    });

    private void CorruptLogOf(string app)
    {
        string[] keys =
        [
            .. Store.Versions.Keys.Where(key => key.StartsWith($"{app}||open:", StringComparison.Ordinal) && !corrupt.ContainsKey(key))
                .Order(StringComparer.Ordinal),
        ];
        if (keys.Length == 0) return;
        var key = keys[world.Chance.Next(keys.Length)];
        var (whole, etag) = Store.Read(key);
        if (Corruption.Of(whole!, world.Chance) is not { } broken) return;
        world.Note(() => $"--- {key} becomes corrupt ---");
        Store.TryWrite(key, broken, etag, Store.GetTimeToLive(key));
        corrupt[key] = (whole!, broken);
    }

    /// <summary>Leaves a log as of an instance that has died.</summary>
    private void LeaveCorruptEntries(string app)
    {
        var orders = Orders;
        if (orders.Count < 2) return;
        var at = world.Chance.Next(orders.Count);
        var entries = Corruption.Entries(
            orders[at], orders[(at + 1) % orders.Count], app == "orders" ? null : order => LinesOf(app, order), world.Clock.GetUtcNow());
        foreach (var entry in entries) corruptEntries.Add(entry.Detail?.GetRawText() ?? entry.OrderId);
        var instance = world.NewId().ToString("N");
        world.Note(() => $"--- {app} has a log {instance} with corrupt entries ---");
        Put(app, OpenSegment.KeyOf(instance, 0), new OpenSegment(
            [.. entries.Select(entry => entry.OrderId)], world.Clock.GetUtcNow(), Sealed: false,
            app == "orders" ? null : [.. entries.Select(entry => entry.Detail!.Value)]));
        Put(app, OpenHead.KeyOf(instance), new OpenHead(world.Clock.GetUtcNow(), 0, 0));
        var (listed, etag) = Store.Read($"{app}||{OpenInstances.Key}");
        Store.TryWrite($"{app}||{OpenInstances.Key}", new OpenInstances(((OpenInstances?)listed)?.Ids.Add(instance) ?? [instance]), etag);
    }

    /// <summary>What an order reserves from a participant; at least one line, so that it is the rest of an entry that is wrong.</summary>
    private static ImmutableArray<ReservationLine> LinesOf(string app, Order order) => app switch
    {
        "stock" => [.. order.Items.Select(item => new ReservationLine(item.ProductId, item.Quantity))],
        "payments" => [new(order.UserId, order.Amounts.Final)],
        "coupons" => [new(order.UserCouponId ?? "c0", 1)],
        _ => [new(order.UserId, Member.PointsOf(order.Amounts.Final))],
    };

    private void SweepLater(Instance instance) => world.Later(SweepPeriod, async () =>
    {
        if (instance.Dead || faults.Unswept) return;
        try
        {
            await instance.SweepAsync!(default);
        }
        catch (Exception fault) when (IsFault(fault))
        {
        }
        SweepLater(instance);
    });

    private void CrashLater(Instance instance) => world.Later(TimeSpan.FromSeconds(1), () =>
    {
        if (calm || instance.Dead) return;
        if (!world.Happens(faults.Crash))
        {
            CrashLater(instance);
            return;
        }
        Crashes++;
        world.Note(() => $"--- an instance of {instance.App} crashes ---");
        instance.Crash();
        // One that was being stopped has a successor already.
        if (apps[instance.App].Remove(instance)) world.Later(TimeSpan.FromSeconds(world.Chance.Next(1, 30)), () => Succeed(instance.App));
    });

    private void StopLater(Instance instance) => world.Later(TimeSpan.FromSeconds(1), async () =>
    {
        if (calm || instance.Dead || faults.Stop == 0) return;
        if (!world.Happens(faults.Stop))
        {
            StopLater(instance);
            return;
        }
        Stops++;
        world.Note(() => $"--- an instance of {instance.App} is stopped ---");
        apps[instance.App].Remove(instance);
        Succeed(instance.App);
        // What is in progress may be finished until then.
        await world.TurnAsync(() => instance.Dead, Timeout);
        try
        {
            await instance.LeaveAsync(default);
        }
        catch (Exception fault) when (IsFault(fault))
        {
        }
        instance.Crash();
    });

    private void Succeed(string app)
    {
        var successor = Start(app);
        apps[app].Add(successor);
        SweepLater(successor);
        CrashLater(successor);
        StopLater(successor);
        ClockJumpsLater(successor);
    }

    private void ClockJumpsLater(Instance instance) => world.Later(TimeSpan.FromSeconds(1), () =>
    {
        if (calm || instance.Dead) return;
        if (world.Happens(faults.ClockJumps)) SetWrong(instance);
        ClockJumpsLater(instance);
    });

    // Small errors are more frequent than large ones.
    private void SetWrong(Instance instance)
    {
        ClockJumps++;
        instance.Clock.Wrong = (world.Chance.Next(2) * 2 - 1) * world.Chance.NextDouble() * world.Chance.NextDouble() * ClockWrongMax;
        world.Note(() => $"--- the clock of an instance of {instance.App} is wrong by {instance.Clock.Wrong.TotalSeconds:0.0} s ---");
    }

    private Instance Start(string app)
    {
        var started = new Instance(
            world, app, SagaTimeouts, Find, NewSidecar, batching: batching, caching: caching, steps: steps,
            participants: instance => new SimulatedParticipants(world, CurrentFaults, () => instance.Dead, Pick));
        if (world.Happens(faults.ClockJumps)) SetWrong(started);
        return started;

        ISidecar NewSidecar(Instance instance)
        {
            if (!throughDapr) return new SimulatedSidecar(world, Store, app, throughJson ? Json : null, CurrentFaults, () => instance.Dead, Publish);
            var calls = new SimulatedCalls(world, app, CurrentFaults, () => instance.Dead);
            var dapr = new SimulatedDapr(world, Store, app, throughJson ? Json : null, calls, CurrentFaults, Publish);
            return DaprSidecar.Create(dapr, new(app), SimulatedDapr.Json, batching);
        }
    }

    private SidecarFaults CurrentFaults() => calm ? SidecarFaults.None : faults.Sidecar;

    private Instance? Pick(string app) => apps[app] is { Count: > 0 } instances ? instances[world.Chance.Next(instances.Count)] : null;

    private TimeSpan Jitter(int mostMs) => TimeSpan.FromMilliseconds(world.Chance.Next(mostMs));

    // Transient faults. Any other exception is a bug and ends the run.
    private static bool IsFault(Exception fault) =>
        fault is DaprException or ContentionException or AggregateException { InnerException: DaprException or ContentionException };

    private void Put(string app, string key, object value) => Store.TryWrite($"{app}||{key}", value, "");
}
