using System.Globalization;
using System.Text;
using Google.Protobuf;
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

/// <summary>Corrupt state documents under the real handlers and sweeps: refused whole and reported, or read whole.</summary>
public sealed class DocumentFuzzTests
{
    [Fact]
    public void A_corrupt_document_is_refused_whole_and_nothing_else_is_touched()
    {
        var counts = FuzzBatches.Run(0.05, seed => new DocumentBatch(seed).Run());
        Assert.True(counts[0] > 0 && counts[1] > 0, $"{counts[0]} corrupt, {counts[1]} readable");
    }

    /// <summary>A thousand documents of one shop, each broken in turn, and restored afterwards.</summary>
    private sealed class DocumentBatch
    {
        private static readonly (string Prefix, Func<FuzzedShop, string, object?> Read)[] Types =
        [
            ("orders:order:", (shop, key) => shop.Read<Order>(key)),
            ("orders:placed-key:", (shop, key) => shop.Read<PlacedKey>(key)),
            ("orders:past:begin", (shop, key) => shop.Read<HistoryStart>(key)),
            ("stock:product:", (shop, key) => shop.Read<Product>(key)),
            ("payments:account:", (shop, key) => shop.Read<Account>(key)),
            ("payments:command:", (shop, key) => shop.Read<CompletedCommand>(key)),
            ("payments:used-key:", (shop, key) => shop.Read<UsedKey>(key)),
            ("coupons:coupon:", (shop, key) => shop.Read<Coupon>(key)),
            .. FuzzedShop.Apps.SelectMany(app => new (string, Func<FuzzedShop, string, object?>)[]
            {
                ($"{app}:reservation:", (shop, key) => shop.Read<Reservation>(key)),
                ($"{app}:open:instances", (shop, key) => shop.Read<OpenInstances>(key)),
                ($"{app}:dead-letter:", (shop, key) => shop.Read<DeadLetter>(key)),
                ($"{app}:dead-letters:", (shop, key) => shop.Read<IdShard>(key)),
            }),
        ];

        private readonly Random random;
        private readonly Mutator mutator;
        private readonly FuzzedShop shop;
        private int corrupt, readable;

        public DocumentBatch(int seed)
        {
            random = new(seed);
            mutator = new(random);
            shop = new(seed);
        }

        public int[] Run()
        {
            for (var number = 1; number <= 12; number++)
            {
                // The orders are tracked in the logs of two instances.
                if (number == 7) foreach (var app in FuzzedShop.Apps) shop.Restart(app);
                shop.Place(number, number % 2 == 0 ? "u" : "v", number % 3 == 0 ? $"c{number % 10}" : null, ("a", number * 4), ("b", 1));
                // Every fourth order stays where it is, at another event of the saga.
                if (number % 4 != 0) shop.DeliverAll();
                else for (var left = number / 2; left > 0; left--) DeliverNext();
            }
            shop.Deliver("stock", new Delivery("order-created", "x/y", ByteString.CopyFromUtf8("{}")));
            var snapshot = (shop.Documents, Letters: shop.Letters.Count, Waiting: shop.Waiting.ToArray());
            Assert.Empty(shop.Audit());
            string[] keys = [.. snapshot.Documents.Keys.Order(StringComparer.Ordinal)];
            for (var at = 0; at < FuzzSettings.BatchSize; at++)
            {
                var key = mutator.Pick(keys);
                var valid = snapshot.Documents[key].Data;
                var broken = mutator.Happens(0.6) ? mutator.Structure(valid) : mutator.Bytes(valid);
                try
                {
                    RunCase(key, broken);
                }
                catch (Exception problem)
                {
                    throw new InvalidOperationException($"Case {at}: {key} is {Encoding.UTF8.GetString(broken.AsSpan(0, Math.Min(broken.Length, 4_000)))}", problem);
                }
                shop.Documents = snapshot.Documents;
                shop.Letters.RemoveRange(snapshot.Letters, shop.Letters.Count - snapshot.Letters);
                shop.Waiting.Clear();
                shop.Waiting.AddRange(snapshot.Waiting);
            }
            return [corrupt, readable];
        }

        private void DeliverNext()
        {
            if (shop.Waiting is not [var (app, e), ..]) return;
            shop.Waiting.RemoveAt(0);
            shop.Deliver(app, e);
        }

        private void RunCase(string key, byte[] broken)
        {
            // An empty value is no document.
            if (broken.Length == 0) return;
            shop.Documents = shop.Documents.SetItem(key, new(broken, shop.Documents[key].Version + 1));
            var others = OpenBeside(key);
            shop.Restart(key.Split(':')[0]);
            var before = shop.Totals();
            AssertInRange(key);
            var isCorrupt = Types.Any(type => key.StartsWith(type.Prefix, StringComparison.Ordinal) && type.Read(shop, key) is null);
            foreach (var (app, e) in Exercise(key))
            {
                var status = shop.Deliver(app, e);
                // What must become a dead letter and cannot be listed as one stays with the broker.
                Assert.True(status == Status.Success || status == Status.Retry && isCorrupt && key.Contains(":dead-letters:", StringComparison.Ordinal), $"{status}");
                Assert.Empty(shop.Bugs);
            }
            if (key.Contains(":open:", StringComparison.Ordinal)) AssertSwept(key, others);
            else if (IsSwept(key) || mutator.Happens(0.1))
            {
                var fault = shop.Sweep(key.Split(':')[0]);
                Assert.True(fault is null or CorruptDocumentException, $"{fault}");
            }
            Assert.Empty(shop.Bugs);
            foreach (var letter in shop.Letters.Where(letter => letter.Problem is not null)) Assert.InRange(letter.Problem!.Length, 1, 2_000);
            if (isCorrupt) Assert.True(broken.AsSpan().SequenceEqual(shop.Documents[key].Data), "A corrupt document was overwritten.");
            Assert.Equal(before, shop.Totals());
            if (isCorrupt) corrupt++;
            else readable++;
        }

        /// <summary>The open orders of Orders' logs, without those that only this document tracks, or that are behind it if it is the end of a log.</summary>
        private string[] OpenBeside(string key) => key == $"orders:{OpenInstances.Key}" ? [] :
        [
            .. from tracked in shop.Documents.Keys
               where tracked.StartsWith("orders:open:", StringComparison.Ordinal) && tracked.Count(letter => letter == ':') == 3
                   && tracked != key && !tracked.StartsWith($"{key}:", StringComparison.Ordinal) && !IsBehindEnd(tracked, key)
               from order in shop.Read<OpenSegment>(tracked)!.Orders
               where shop.Read<Order>($"orders:{Order.KeyOf(order)}") is { IsClosed: false }
               select order,
        ];

        private bool IsBehindEnd(string tracked, string key)
        {
            var log = key[..(key.LastIndexOf(':') + 1)];
            return key.Count(letter => letter == ':') == 3 && tracked.StartsWith(log, StringComparison.Ordinal)
                && long.Parse(tracked[log.Length..], CultureInfo.InvariantCulture) > long.Parse(key[log.Length..], CultureInfo.InvariantCulture)
                && shop.Read<OpenSegment>(key) is { Sealed: true };
        }

        /// <summary>Whatever is wrong with a document of the log, no sweep fails, and what the others track is visited.</summary>
        private void AssertSwept(string key, string[] others)
        {
            var app = key.Split(':')[0];
            var published = shop.Published.Count;
            // The third takes over the logs of the instances before.
            for (var turn = 0; turn < 3; turn++) Assert.Null(shop.Sweep(app));
            if (app != "orders") return;
            var resent = shop.Published.Skip(published).Select(e => e.OrderId).ToHashSet();
            Assert.All(others, order => Assert.Contains(order, resent));
        }

        /// <summary>What is read of a document is in its range, and of its key.</summary>
        private void AssertInRange(string key)
        {
            var id = key[(key.LastIndexOf(':') + 1)..];
            switch (string.Join(':', key.Split(':')[..2]))
            {
                case "stock:product" when shop.Read<Product>(key) is { } product:
                    Assert.Equal(id, product.Id);
                    Assert.InRange(product.Price, 0, 1_000_000_000);
                    break;
                case "payments:account" when shop.Read<Account>(key) is { } account:
                    Assert.Equal(id, account.UserId);
                    break;
                case "payments:command" when shop.Read<CompletedCommand>(key) is { } command:
                    Assert.Equal(key, $"payments:{command.ToRecordKey(Account.KeyOf("u"))}");
                    break;
                case "payments:used-key" when shop.Read<UsedKey>(key) is { } used:
                    Assert.True(used.Document.Length > 0);
                    break;
                case "orders:placed-key" when shop.Read<PlacedKey>(key) is { } placed:
                    Assert.True(DocumentId.IsOfOrder(placed.OrderId), placed.OrderId);
                    break;
                case "coupons:coupon" when shop.Read<Coupon>(key) is { } coupon:
                    Assert.Equal(id, coupon.Id);
                    Assert.Equal(1, coupon.Holdings.Total);
                    Assert.InRange(coupon.Percent, 0, 100);
                    Assert.InRange(coupon.AmountOff, 0, 1_000_000_000);
                    Assert.InRange(coupon.MaxAmount, 0, 1_000_000_000);
                    Assert.True(coupon.Percent == 0 != (coupon.AmountOff == 0), $"{coupon}");
                    Assert.True(RequestCheck.IsId(coupon.UserId), coupon.UserId);
                    break;
                case "orders:order" when shop.Read<Order>(key) is { Status: not OrderStatus.Abandoned } order:
                    Assert.Equal(id, order.Id);
                    Assert.All(order.Items, item =>
                    {
                        Assert.InRange(item.Quantity, 1, 1_000);
                        Assert.InRange(item.UnitPrice, 0, 1_000_000_000);
                        Assert.True(RequestCheck.IsId(item.ProductId), item.ProductId);
                    });
                    Assert.Equal(order.Items.Sum(item => item.Quantity * item.UnitPrice), order.Amounts.Total);
                    break;
            }
        }

        /// <summary>True: the sweep of the service reads it.</summary>
        private static bool IsSwept(string key) => key.Contains(":past:", StringComparison.Ordinal)
            || key.Contains(":reservation:", StringComparison.Ordinal) || key.Contains(":order:", StringComparison.Ordinal);

        /// <summary>Events that read the document.</summary>
        private IEnumerable<(string App, OutgoingEvent Event)> Exercise(string key)
        {
            var app = key.Split(':')[0];
            var about = shop.Published.Where(e => shop.SubscribersOf(e.Topic).Contains(app)).ToArray();
            var order = key.Split(':')[^1];
            var own = about.Where(e => e.OrderId == order).ToArray();
            for (var left = 2; left > 0; left--) yield return (app, mutator.Pick(own.Length > 0 ? own : about));
            if (own.Length > 0 || !mutator.Happens(0.5)) yield break;
            // An order that is new to the service takes from the shared documents.
            var id = new Guid(1_000, 0, 0, [0xAB, 0, 0, 0, 0, 0, 0, 0]).ToString();
            var created = (Shop.V1.OrderCreatedEvent)ValidEvents.Of(id, mutator.Pick(["u", "v"]), mutator.Happens(0.5) ? $"c{random.Next(10)}" : null, random)[0];
            if (app == "orders") yield break;
            yield return (app, new(id, created));
            var failed = new Shop.V1.OrderFailedEvent
            {
                OrderId = id, UserId = created.UserId, Items = { created.Items.Select(item => item.Clone()) }, TotalAmount = created.TotalAmount,
                DiscountAmount = created.DiscountAmount, FinalAmount = created.FinalAmount, Reason = "CANCELLED",
            };
            if (created.HasUserCouponId) failed.UserCouponId = created.UserCouponId;
            yield return (app, new(id, failed));
        }
    }
}
