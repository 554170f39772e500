using Dapr;
using Microsoft.Extensions.Logging;
using Shop.V1;
using Account = Payments.Account;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>A list without the documents that cannot be read, which it names.</summary>
public sealed class DocumentListTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new();
    private readonly Lines lines = new();
    private SidecarFaults faults = SidecarFaults.None;

    [Fact]
    public void A_corrupt_product_is_left_out_named_and_logged_once_and_the_others_are_listed()
    {
        var (sidecar, documents) = Open("stock");
        var index = new IdIndex(documents, sidecar);
        var stock = new Stock.StockService(sidecar, documents, null!, index, new(sidecar, lines), null!);
        foreach (var id in (string[])["a", "b", "c"]) world.Run(() => AddAsync(index, "products", id));
        Write("stock", Product.KeyOf("a"), new Product("a", "", 1, Holdings.Of(5), []));
        Write("stock", Product.KeyOf("b"), new Product("b", "", 1, Holdings.Of(-5), []));
        Write("stock", Product.KeyOf("c"), new Product("c", "", 1, Holdings.Of(5), []));

        var listed = world.Run(() => stock.ListProducts(new(), new Call("/shop.v1.StockService/ListProducts")));
        Assert.Equal(["a", "c"], listed.Products.Select(product => product.ProductId));
        Assert.Equal(["b"], listed.UnreadableProductIds);
        var line = Assert.Single(lines.All);
        Assert.Equal((LogLevel.Error, "DocumentLeftOut"), (line.Level, line.Name));
        Assert.Contains("product:b", line.Text);
    }

    [Fact]
    public void A_corrupt_account_is_left_out_and_named()
    {
        var (sidecar, documents) = Open("payments");
        var index = new IdIndex(documents, sidecar);
        var payments = new Payments.PaymentService(sidecar, documents, null!, index, new(sidecar, lines), null!);
        foreach (var id in (string[])["jun", "mina"]) world.Run(() => AddAsync(index, "accounts", id));
        Write("payments", Account.KeyOf("jun"), new Product("jun", "", 1, Holdings.Of(5), []));
        Write("payments", Account.KeyOf("mina"), new Account("mina", Holdings.Of(5), []));

        var listed = world.Run(() => payments.ListAccounts(new(), new Call("/shop.v1.PaymentService/ListAccounts")));
        Assert.Equal("mina", Assert.Single(listed.Accounts).UserId);
        Assert.Equal(["jun"], listed.UnreadableUserIds);
    }

    [Fact]
    public void An_outage_is_no_shorter_list()
    {
        var (sidecar, _) = Open("stock");
        Write("stock", Product.KeyOf("a"), new Product("a", "", 1, Holdings.Of(5), []));
        faults = new(Fails: 1, FailsAfter: 0, Pauses: 0);
        Assert.ThrowsAny<DaprException>(() => world.Run(() => new DocumentList(sidecar, lines).ReadAsync<Product>(["a"], Product.KeyOf, default)));
        Assert.Empty(lines.All);
    }

    [Fact]
    public void A_corrupt_dead_letter_hides_no_other()
    {
        var (sidecar, documents) = Open("stock");
        var letters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        var bad = world.Run(() => letters.StoreAsync([1], default));
        var good = world.Run(() => letters.StoreAsync([2], default));
        store.Delete($"stock||{DeadLetter.KeyOf(bad.Id)}");
        Write("stock", DeadLetter.KeyOf(bad.Id), new Product("a", "", 1, Holdings.Of(5), []));

        var waiting = world.Run(() => letters.ReadWaitingAsync(default)).ToDictionary(letter => letter.Id);
        Assert.Equal(2, waiting.Count);
        Assert.Null(waiting[good.Id].Problem);
        Assert.Contains("is corrupt", waiting[bad.Id].Problem);
    }

    private (SimulatedSidecar Sidecar, DocumentStore Documents) Open(string app)
    {
        var sidecar = new SimulatedSidecar(world, store, app, null, () => faults, () => false, _ => { });
        return (sidecar, DocumentStore.Create(sidecar, new(world.Clock, world.Chance)));
    }

    private void Write(string app, string key, object document) => Assert.True(store.TryWrite($"{app}||{key}", document, ""));

    private static async Task<bool> AddAsync(IdIndex index, string name, string id)
    {
        await index.AddAsync(new(name, Shards: 64), id, default);
        return true;
    }

    private sealed class Lines : ILogger<DocumentList>
    {
        public List<(LogLevel Level, string Name, string Text)> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Add((logLevel, eventId.Name ?? "", formatter(state, exception)));
    }
}
