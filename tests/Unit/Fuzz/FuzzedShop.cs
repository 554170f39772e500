using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Coupons;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Orders;
using Payments;
using Stock;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Delivery = Saga.Messaging.Delivery;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Product = Stock.Product;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests.Fuzz;

/// <summary>A stored document: its bytes and its version.</summary>
internal sealed record StoredBytes(byte[] Data, long Version);

/// <summary>The four services over a store of bytes, which a test may corrupt. There are no faults: nothing may be answered RETRY.</summary>
internal sealed class FuzzedShop
{
    public static readonly string[] Apps = ["orders", "stock", "payments", "coupons"];

    public static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(
        JsonTypeInfoResolver.Combine(OrderStateJsonContext.Default, StockJsonContext.Default, PaymentJsonContext.Default, CouponJsonContext.Default));

    private static readonly SagaTimeouts Timeouts = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(10));

    private static readonly CompletedCommand Command = new("DepositRequest", "key", "content", "", DateTimeOffset.UnixEpoch, Caller: "u");

    private readonly World world;
    private readonly List<Exception> bugs = [];
    private readonly Dictionary<string, Instance> running = [];
    private readonly Dictionary<StoredBytes, Holdings?> read = [];

    public FuzzedShop(int seed)
    {
        world = new(seed);
        foreach (var id in (string[])["a", "b", "c"]) Put("stock", Product.KeyOf(id), new Product(id, "Product", 1_000, Holdings.Of(200), []));
        foreach (var id in (string[])["u", "v"]) Put("payments", Account.KeyOf(id), new Account(id, Holdings.Of(200_000), []));
        for (var at = 0; at < 10; at++)
        {
            var user = at % 2 == 0 ? "u" : "v";
            Put("coupons", Coupon.KeyOf($"c{at}"), new Coupon($"c{at}", user, 500, 0, 0, DateTimeOffset.MaxValue, Holdings.Of(1), []));
        }
        Put("payments", Command.ToRecordKey(Account.KeyOf("u")), Command);
        Put("payments", $"used-key:{Command.Command}:{Command.KeyFingerprint}", new UsedKey(Account.KeyOf("u"), Command.At));
        Put("orders", PlacedKey.KeyOf(OrderNumber.Derive("u", "k")), new PlacedKey($"{Guid.CreateVersion7()}", world.Clock.GetUtcNow()));
        foreach (var app in Apps) Restart(app);
    }

    /// <summary>By key, which begins with the app.</summary>
    public ImmutableDictionary<string, StoredBytes> Documents { get; set; } = ImmutableDictionary<string, StoredBytes>.Empty;

    /// <summary>Every event that was published, oldest first.</summary>
    public List<OutgoingEvent> Published { get; } = [];

    /// <summary>Published events that were not delivered.</summary>
    public List<(string App, OutgoingEvent Event)> Waiting { get; } = [];

    /// <summary>Every dead letter that was stored, oldest first.</summary>
    public List<DeadLetter> Letters { get; } = [];

    /// <summary>Exceptions in the log that are none of the expected classes.</summary>
    public IReadOnlyList<Exception> Bugs => bugs;

    /// <summary>Starts a service anew: nothing is cached.</summary>
    public void Restart(string app) => running[app] = new Instance(
        world, app, Timeouts, Find, _ => new BytesSidecar(this, app), new CapturedExceptions(bugs));

    public IEnumerable<string> SubscribersOf(string topic) => Apps.Where(app => running[app].Subscriptions.Topics.Contains(topic));

    public IEnumerable<string> TopicsOf(string app) => running[app].Subscriptions.Topics;

    public Order Place(int number, string user, string? coupon, params (string Product, int Quantity)[] items)
    {
        ImmutableArray<Item> lines = [.. items.Select(item => new Item(item.Product, item.Quantity, 1_000))];
        var (total, discount) = (lines.Sum(line => line.Quantity * line.UnitPrice), coupon is null ? 0 : 500);
        var orders = running["orders"];
        var now = orders.Clock.GetUtcNow();
        var order = new Order(
            new Guid(number, 0, 0, [0xAB, 0, 0, 0, 0, 0, 0, 0]).ToString(), user, OrderStatus.Pending, lines, new(total, discount, total - discount), coupon,
            new Orders.Delivery("", "", ""), "content", null, now,
            [new(now, "order-created", "", OrderStatus.Pending, null)], SagaSteps.Default.For(coupon, now));
        return world.Run(() => orders.PlaceOrder!.StoreAsync(order, default));
    }

    public Status Deliver(string app, Delivery delivery) => world.Run(() => running[app].Dispatcher.DispatchAsync(delivery, default));

    public Status Deliver(string app, OutgoingEvent e) => Deliver(app, new Delivery(e.Topic, e.Id, ByteString.CopyFrom(e.ToJson())));

    public void DeliverAll()
    {
        while (Waiting is [var (app, e), ..])
        {
            Waiting.RemoveAt(0);
            Deliver(app, e);
        }
    }

    /// <summary>Sweeps a service, some time later.</summary>
    /// <returns>What the sweep threw. Null: it succeeded.</returns>
    public Exception? Sweep(string app)
    {
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + TimeSpan.FromSeconds(20));
        return world.Run<Exception?>(async () =>
        {
            try
            {
                await running[app].SweepAsync!(default);
                return null;
            }
            catch (Exception thrown)
            {
                return thrown;
            }
        });
    }

    /// <summary>
    /// The accounts of the shop: pieces, won and uses by document, and whether each equals what its reservations say.
    /// </summary>
    /// <returns>One sentence for each difference.</returns>
    public IEnumerable<string> Audit()
    {
        foreach (var wrong in Audit<Product>("stock", "product:").Concat(Audit<Account>("payments", "account:")).Concat(Audit<Coupon>("coupons", "coupon:")))
        {
            yield return wrong;
        }
    }

    /// <summary>A line for each shared document: available, held and consumed together. A document that cannot be read is absent.</summary>
    public string Totals() => string.Join(
        '\n', HoldingsOf<Product>("stock", "product:").Concat(HoldingsOf<Account>("payments", "account:")).Concat(HoldingsOf<Coupon>("coupons", "coupon:"))
            .Select(one => $"{one.Key} {one.Holdings.Total}").Order(StringComparer.Ordinal));

    /// <summary>Reads a document as the sidecar does.</summary>
    /// <returns>Null: it is corrupt or absent.</returns>
    public T? Read<T>(string key) where T : class
    {
        try
        {
            return Documents.TryGetValue(key, out var stored) ? StoredDocument.Parse<T>(key[(key.IndexOf(':') + 1)..], stored.Data, Json) : null;
        }
        catch (CorruptDocumentException)
        {
            return null;
        }
    }

    private IEnumerable<string> Audit<T>(string app, string prefix) where T : class, IHasHoldings<T>
    {
        var lines = Documents.Keys.Where(key => key.StartsWith($"{app}:reservation:", StringComparison.Ordinal))
            .Select(key => Read<Reservation>(key)!)
            .SelectMany(reservation => reservation.Lines.Select(line => (reservation.Status, line.ResourceId, line.Amount))).ToArray();
        foreach (var (key, holdings) in HoldingsOf<T>(app, prefix))
        {
            var id = key[(app.Length + 1 + prefix.Length)..];
            var held = holdings.Marks.Values.Where(mark => mark.State == MarkState.Reserved).Sum(mark => mark.Amount);
            var consumed = lines.Where(line => line.ResourceId == id && line.Status == ReservationStatus.Settled).Sum(line => line.Amount);
            if (holdings.Held != held) yield return $"{key} holds {holdings.Held}, and its marks {held}.";
            if (holdings.Consumed != consumed) yield return $"{key} has consumed {holdings.Consumed}, and its reservations {consumed}.";
            if (holdings.Available < 0) yield return $"{key} has {holdings.Available}.";
        }
    }

    private IEnumerable<(string Key, Holdings Holdings)> HoldingsOf<T>(string app, string prefix) where T : class, IHasHoldings<T> =>
        from key in Documents.Keys
        where key.StartsWith($"{app}:{prefix}", StringComparison.Ordinal)
        let holdings = HoldingsOf<T>(key)
        where holdings is not null
        select (key, holdings);

    private Holdings? HoldingsOf<T>(string key) where T : class, IHasHoldings<T>
    {
        var stored = Documents[key];
        if (!read.TryGetValue(stored, out var holdings)) read[stored] = holdings = Read<T>(key)?.Holdings;
        return holdings;
    }

    private void Put<T>(string app, string key, T document) =>
        Documents = Documents.SetItem($"{app}:{key}", new(JsonSerializer.SerializeToUtf8Bytes(document, Json.GetTypeInfo(typeof(T))), 1));

    private Order? Find(string orderId)
    {
        var key = $"orders:{Order.KeyOf(orderId)}";
        if (!Documents.ContainsKey(key)) return null;
        // As Orders answers when its document is corrupt.
        var order = Read<Order>(key) ?? throw new RpcException(new(StatusCode.DataLoss, $"{key} is corrupt."));
        return order.Status == OrderStatus.Abandoned ? null : order;
    }

    /// <summary>Completes every operation at once, in the caller's turn.</summary>
    private sealed class BytesSidecar(FuzzedShop shop, string app) : ISidecar
    {
        /// <summary>Bytes of a call, at most, as gRPC and daprd have it by default.</summary>
        private const int CallMax = 4 * 1024 * 1024;

        public Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
        {
            if (!shop.Documents.TryGetValue($"{app}:{key}", out var stored)) return Task.FromResult(new Versioned<T>(key, null, ""));
            try
            {
                return Task.FromResult(new Versioned<T>(
                    key, stored.Data.Length == 0 ? null : StoredDocument.Parse<T>(key, stored.Data, Json), $"{stored.Version}"));
            }
            catch (Exception thrown)
            {
                return Task.FromException<Versioned<T>>(thrown);
            }
        }

        public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class =>
            await Task.WhenAll(keys.Select(key => ReadAsync<T>(key, ct)));

        public Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
        {
            var key = $"{app}:{read.Key}";
            var stored = shop.Documents.GetValueOrDefault(key);
            if (stored is not null && read.ETag != $"{stored.Version}") return Task.FromResult(false);
            var data = JsonSerializer.SerializeToUtf8Bytes(value, Json.GetTypeInfo(typeof(T)));
            if (data.Length > CallMax) throw new RpcException(new(StatusCode.ResourceExhausted, $"A document of {data.Length} bytes is too large."));
            if (value is DeadLetter letter) shop.Letters.Add(letter);
            shop.Documents = shop.Documents.SetItem(key, new(data, (stored?.Version ?? 0) + 1));
            return Task.FromResult(true);
        }

        public Task DeleteAsync(string key, CancellationToken ct)
        {
            shop.Documents = shop.Documents.Remove($"{app}:{key}");
            return Task.CompletedTask;
        }

        public Task PublishAsync(OutgoingEvent e, CancellationToken ct)
        {
            shop.Published.Add(e);
            foreach (var subscriber in shop.SubscribersOf(e.Topic)) shop.Waiting.Add((subscriber, e));
            return Task.CompletedTask;
        }
    }

    /// <summary>Keeps the exceptions of log events that are no classified failure: each is a bug.</summary>
    private sealed class CapturedExceptions(List<Exception> bugs) : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (exception is not (null or UnreadableEventException or UnprocessableEventException or CorruptDocumentException)) bugs.Add(exception);
        }

        public void Dispose()
        {
        }
    }
}
