using Dapr;
using Google.Protobuf;
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
    public void A_corrupt_shard_of_the_index_fails_the_list_which_does_not_know_what_it_lacks()
    {
        var (sidecar, documents) = Open("stock");
        var index = new IdIndex(documents, sidecar);
        var products = new IdGroup("products", Shards: 64);
        foreach (var id in (string[])["a", "b"]) world.Run(() => AddAsync(index, products.Name, id));
        var stock = new Stock.StockService(sidecar, documents, null!, index, new(sidecar, lines), null!);
        store.Delete($"stock||{products.KeyOf("a")}");
        Write("stock", products.KeyOf("a"), new Product("a", "", 1, Holdings.Of(5), []));

        var refused = Assert.Throws<CorruptDocumentException>(() =>
            world.Run(() => stock.ListProducts(new(), new Call("/shop.v1.StockService/ListProducts"))));
        Assert.Contains(products.KeyOf("a"), refused.Message);
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

        var waiting = world.Run(async () => await letters.ReadWaitingAsync(default).ToListAsync()).ToDictionary(letter => letter.Id);
        Assert.Equal(2, waiting.Count);
        Assert.Null(waiting[good.Id].Problem);
        Assert.Contains("is corrupt", waiting[bad.Id].Problem);
    }

    [Fact]
    public void A_dead_letter_under_the_id_of_another_is_corrupt()
    {
        var (sidecar, documents) = Open("stock");
        var letters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        var letter = world.Run(() => letters.StoreAsync([1], default));
        Write("stock", DeadLetter.KeyOf("another"), letter);
        Assert.Throws<CorruptDocumentException>(() => world.Run(() => letters.FindAsync("another", default)));
    }

    [Fact]
    public void Of_an_event_that_is_too_large_for_a_document_the_beginning_is_kept()
    {
        var (sidecar, documents) = Open("stock");
        var letters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        var large = new byte[3_500_000];
        var letter = world.Run(() => letters.StoreAsync(new Delivery("order-created", "e", ByteString.CopyFrom(large)), "It is no event.", default));
        var kept = world.Run(() => letters.FindAsync(letter.Id, default))!;
        Assert.Equal(1024 * 1024, kept.Data.Length);
        Assert.Equal("Only the first 1048576 of its 3500000 bytes are kept. It is no event.", kept.Problem);
        Assert.Equal(letter.Id, world.Run(() => letters.StoreAsync(new Delivery("order-created", "e", ByteString.CopyFrom(large)), "", default)).Id);
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
