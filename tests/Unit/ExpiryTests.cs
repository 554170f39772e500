using Microsoft.Extensions.Logging.Abstractions;
using Orders;
using Saga.Tests.Hazards;
using Shop.V1;
using Account = Payments.Account;

namespace Saga.Tests;

/// <summary>
/// The expiry of documents. On PostgreSQL a write without a time to live clears the one that was set, on Redis it would stay; so every write says it.
/// The store of these tests behaves as PostgreSQL. That the orders and reservations of all scripted hazards and of the simulation expire once they
/// are closed is checked there, by <see cref="Audit.OfExpiry"/>.
/// </summary>
public sealed class ExpiryTests
{
    private readonly World world = new(1);
    private readonly SimulatedStore store = new(etags: ETagForm.Uuid);

    private sealed record Note(int Number, bool IsClosed = false);

    [Fact]
    public void A_closed_order_that_a_late_answer_changes_expires_later()
    {
        var shop = new ScriptedShop();
        shop.Poor(100);
        var order = shop.Place(ScriptedShop.OrderOf());
        foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-created");
        shop.Deliver("orders", "payment-failed");
        foreach (var app in (string[])["stock", "payments", "coupons"]) shop.Deliver(app, "order-failed");
        foreach (var topic in (string[])["stock-released", "payment-refunded", "coupon-restored"]) shop.Deliver("orders", topic);
        var key = $"orders||{Orders.Order.KeyOf(order)}";
        Assert.True(shop[order].IsClosed);
        var before = shop.Store.Versions[key];

        shop.Deliver("orders", "stock-reserved");

        Assert.Equal((before + 1, Retention.OfFinished), (shop.Store.Versions[key], shop.Store.GetTimeToLive(key)));
        shop.CloseAll();
    }

    [Fact]
    public void An_order_that_is_placed_over_a_tombstone_does_not_expire()
    {
        var order = ScriptedShop.OrderOf();
        var key = $"orders||{Orders.Order.KeyOf(order.Id)}";
        var (orders, _) = Open("orders");
        var tombstone = Orders.Order.Abandoned(order.Id, world.Clock.GetUtcNow());
        store.TryWrite(key, tombstone, "", Retention.OfFinished);

        world.Run(() => new OrderStore(Documents(orders), orders, world.Clock, NullLoggerFactory.Instance).PlaceAsync(order, tombstone, default));

        Assert.Equal((2, null), (store.Versions[key], store.GetTimeToLive(key)));
    }

    [Fact]
    public void Each_addition_to_a_page_of_the_history_is_kept_as_long_as_a_closed_order()
    {
        var (sidecar, documents) = Open("orders");
        var history = new OrderHistory(documents, sidecar, world.Clock);
        for (var at = 0; at < 700; at += 100)
        {
            string[] ids = [.. Enumerable.Range(at, 100).Select(number => $"order-{number}")];
            world.Run(async () =>
            {
                await history.AddAsync(ids, default);
                return true;
            });
            Assert.Empty(Audit.OfExpiry(store));
        }
        Assert.True(store.Find<HistoryPage>("orders||past:").Count() > 1, "One page was enough.");
        Assert.Contains(store.Versions, document => document.Key.StartsWith("orders||past:", StringComparison.Ordinal) && document.Value > 1);
        Assert.Null(store.GetTimeToLive($"orders||{HistoryStart.Key}"));
    }

    [Fact]
    public void A_dead_letter_that_arrives_again_and_is_discarded_expires()
    {
        var (sidecar, documents) = Open("stock");
        var letters = new DeadLetters(documents, sidecar, new(documents, sidecar), new("stock"), world.Clock);
        var letter = world.Run(() => letters.StoreAsync([1], default));
        var key = $"stock||{DeadLetter.KeyOf(letter.Id)}";
        world.Run(() => letters.StoreAsync([1], default));
        world.Run(() => letters.ResolveAsync(letter, DeadLetterState.Discarded, default));
        Assert.Equal((3, Retention.OfDeadLetters), (store.Versions[key], store.GetTimeToLive(key)));
    }

    [Fact]
    public void The_records_of_idempotency_keys_are_written_once_and_expire()
    {
        var (_, documents) = Open("payments");
        var commands = new IdempotentCommands(documents, world.Clock);
        store.TryWrite($"payments||{Account.KeyOf("u")}", new Account("u", Holdings.Of(0), []), "");
        for (var turn = 0; turn < 2; turn++)
        {
            for (var number = 0; number < IdempotentCommands.MaxHistory + 3; number++) Deposit($"key-{number}");
        }
        var records = store.Versions.Where(document => document.Key.Contains("||command:") || document.Key.Contains("||used-key:")).ToArray();
        Assert.Equal(IdempotentCommands.MaxHistory + 3 + 3, records.Length);
        Assert.All(records, record => Assert.Equal(1, record.Value));
        // A key is written again only when its record is an hour old.
        Assert.All(records, record => Assert.Equal(
            record.Key.Contains("||used-key:") ? IdempotentCommands.Retention + TimeSpan.FromHours(1) : IdempotentCommands.Retention,
            store.GetTimeToLive(record.Key)));
        Assert.Null(store.GetTimeToLive($"payments||{Account.KeyOf("u")}"));

        void Deposit(string key) => world.Run(() => commands.RunAsync<Account, DepositResponse>(
            Account.KeyOf("u"), key, new DepositRequest { UserId = "u", Amount = 1, IdempotencyKey = key }, Caller.Anyone,
            account => new(account!.With(account.Holdings.Add(1)), new(), null), default));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Updates_that_share_a_write_leave_the_expiry_of_the_last_state(bool combine)
    {
        var (sidecar, _) = Open("app");
        var documents = Documents(sidecar, combine);
        world.Run(async () =>
        {
            // Opened, closed, and changed once more; without combining one after the other.
            Func<Note?, Note>[] changes = [_ => new Note(1), note => note! with { IsClosed = true }, note => note! with { Number = 2 }];
            List<Task<bool>> updates = [];
            foreach (var change in changes)
            {
                updates.Add(Update(change));
                if (!combine) await updates[^1];
            }
            foreach (var update in updates) await update;
            return true;
        });
        Assert.Equal(new Note(2, IsClosed: true), store.Read("app||n").Value);
        Assert.Equal((combine ? 1 : 3, Retention.OfFinished), (store.Versions["app||n"], store.GetTimeToLive("app||n")));

        Task<bool> Update(Func<Note?, Note> change) => documents.UpdateAsync<Note, bool>(
            "n", note => change(note) is var next ? new(next, true, next.IsClosed ? Retention.OfFinished : null) : default, default);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void The_sidecar_is_told_the_expiry_with_every_write(bool batching)
    {
        var calls = new SimulatedCalls(world, "app", () => SidecarFaults.None, () => false);
        var sidecar = DaprSidecar.Create(
            new SimulatedDapr(world, store, "app", null, calls, () => SidecarFaults.None, _ => { }), new("app"), SimulatedDapr.Json, batching);
        for (var turn = 0; turn < 2; turn++)
        {
            world.Run(async () =>
            {
                var writes = Enumerable.Range(0, 10).Select(async number =>
                {
                    var read = await sidecar.ReadAsync<Note>($"n{number}", default);
                    return await sidecar.TrySaveAsync(read, new(number), number % 2 == 0 ? Retention.OfFinished : null, default);
                }).ToArray();
                foreach (var write in writes) Assert.True(await write);
                return true;
            });
            Assert.All(Enumerable.Range(0, 10), number => Assert.Equal(
                (turn + 1, number % 2 == 0 ? Retention.OfFinished : default(TimeSpan?)),
                (store.Versions[$"app||n{number}"], store.GetTimeToLive($"app||n{number}"))));
        }
    }

    private (SimulatedSidecar Sidecar, DocumentStore Documents) Open(string app)
    {
        var sidecar = new SimulatedSidecar(world, store, app, null, () => SidecarFaults.None, () => false, _ => { });
        return (sidecar, Documents(sidecar));
    }

    private DocumentStore Documents(ISidecar sidecar, bool combine = true) => DocumentStore.Create(sidecar, new(world.Clock, world.Chance), combine);
}
