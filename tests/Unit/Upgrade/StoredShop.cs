using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Orders;
using Saga.Tests.Fuzz;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Delivery = Saga.Messaging.Delivery;
using Order = Orders.Order;
using Product = Stock.Product;

namespace Saga.Tests.Upgrade;

/// <summary>What a running shop of some version has stored and published, as it was read from its Redis.</summary>
/// <param name="Documents">By key, which begins with the app, as in <see cref="FuzzedShop.Documents"/>.</param>
internal sealed record StoredShop(IReadOnlyDictionary<string, JsonNode> Documents, IReadOnlyList<StoredEvent> Events)
{
    /// <param name="name">A file of this folder, such as "v1/closed".</param>
    public static StoredShop Read(string name)
    {
        var root = JsonNode.Parse(File.ReadAllText(Path.Combine(FolderOf(), $"{name}.json")))!;
        return new(
            root["documents"]!.AsObject().ToDictionary(document => document.Key, document => document.Value!),
            [.. root["events"]!.AsArray().Select(e => new StoredEvent($"{e!["topic"]}", $"{e["id"]}", e["data"]!))]);
    }

    /// <summary>Starts the services of this version on the documents, without anything else.</summary>
    public FuzzedShop Start()
    {
        var shop = new FuzzedShop(1)
        {
            Documents = Documents.ToImmutableDictionary(document => document.Key, document => new StoredBytes(GetBytes(document.Value), 1)),
        };
        foreach (var app in FuzzedShop.Apps) shop.Restart(app);
        return shop;
    }

    /// <summary>The keys of one kind of document, such as "orders:order:".</summary>
    public IEnumerable<string> KeysOf(string prefix) => Documents.Keys.Where(key => key.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal);

    /// <summary>Reads a document as the service reads it that owns it.</summary>
    /// <returns>Null: it is refused.</returns>
    public static object? Read(FuzzedShop shop, string key) => key.Split(':') switch
    {
        [_, "order", _] => shop.Read<Order>(key),
        [_, "past", "begin"] => shop.Read<HistoryStart>(key),
        [_, "placed-key", _] => shop.Read<PlacedKey>(key),
        [_, "past", _] => shop.Read<HistoryHour>(key),
        [_, "past", _, _] => shop.Read<HistoryPage>(key),
        [_, "product", _] => shop.Read<Product>(key),
        [_, "account", _] => shop.Read<Account>(key),
        [_, "coupon", _] => shop.Read<Coupon>(key),
        [_, "reservation", _] => shop.Read<Reservation>(key),
        [_, "open", "instances"] => shop.Read<OpenInstances>(key),
        [_, "open", _] => shop.Read<OpenHead>(key),
        [_, "open", _, _] => shop.Read<OpenSegment>(key),
        [_, "dead-letter", _] => shop.Read<DeadLetter>(key),
        [_, "used-key", ..] => shop.Read<UsedKey>(key),
        [_, "products" or "accounts" or "coupons" or "coupons-of" or "dead-letters", ..] => shop.Read<IdShard>(key),
        _ => throw new InvalidOperationException($"{key} is a kind of document that is not known here."),
    };

    /// <summary>"order", "open:instances" and the like.</summary>
    public static string KindOf(string key) => key.Split(':') switch
    {
        [_, "open", "instances"] or [_, "past", "begin"] => string.Join(':', key.Split(':')[1..]),
        [_, var kind, .. var ids] => ids.Length < 2 ? kind : $"{kind}:{ids.Length}",
        _ => key,
    };

    /// <summary>
    /// Orders and reservations as they are stored, and the quantities of products, accounts and coupons, where an order may leave one more tombstone.
    /// </summary>
    public static string[] Snapshot(FuzzedShop shop) =>
    [
        .. shop.Documents.Keys.Order(StringComparer.Ordinal).Select(key => (Key: key, Document: Read(shop, key))).Select(one => one.Document switch
        {
            Order or Reservation => $"{one.Key} {Encoding.UTF8.GetString(shop.Documents[one.Key].Data)}",
            Product { Holdings: var pieces } => $"{one.Key} {pieces with { Marks = Holdings.Of(0).Marks }}",
            Account { Holdings: var won } => $"{one.Key} {won with { Marks = Holdings.Of(0).Marks }}",
            Coupon { Holdings: var uses } => $"{one.Key} {uses with { Marks = Holdings.Of(0).Marks }}",
            _ => "",
        }).Where(line => line.Length > 0),
    ];

    public static byte[] GetBytes(JsonNode document) => Encoding.UTF8.GetBytes(document.ToJsonString(FuzzedShop.Json));

    private static string FolderOf([CallerFilePath] string here = "") => Path.GetDirectoryName(here)!;
}

/// <param name="Id">Of the CloudEvent.</param>
internal sealed record StoredEvent(string Topic, string Id, JsonNode Data)
{
    public Delivery ToDelivery() => new(Topic, Id, ByteString.CopyFrom(StoredShop.GetBytes(Data)));
}
