using System.Text.Json;
using System.Text.Json.Nodes;
using Saga.Tests.Fuzz;
using Order = Orders.Order;
using OrderStatus = Orders.OrderStatus;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests.Upgrade;

/// <summary>
/// What a running version 2 stored, in the states of <see cref="Version1Tests"/>, and orders that were paid by calls. A change of this version that
/// breaks one of these tests breaks a rolling upgrade from version 2, or the way back: docs/upgrading.md.
/// </summary>
public sealed class Version2Tests
{
    private static readonly StoredShop Closed = StoredShop.Read("v2/closed"), Open = StoredShop.Read("v2/open");

    [Fact]
    public void Every_document_is_read_and_written_as_it_was()
    {
        foreach (var stored in (StoredShop[])[Closed, Open])
        {
            var shop = stored.Start();
            foreach (var (key, document) in stored.Documents)
            {
                var read = StoredShop.Read(shop, key);
                Assert.True(read is not null, $"{key} is refused.");
                var written = JsonSerializer.SerializeToNode(read, FuzzedShop.Json.GetTypeInfo(read.GetType()));
                Assert.True(JsonNode.DeepEquals(document, written), $"{key} was {document.ToJsonString()} and is {written!.ToJsonString()}");
            }
        }
    }

    [Fact]
    public void Every_event_is_handled_again_and_changes_nothing()
    {
        var shop = Closed.Start();
        var before = StoredShop.Snapshot(shop);
        foreach (var e in Closed.Events)
        {
            foreach (var app in shop.SubscribersOf(e.Topic).ToArray()) Assert.Equal(Status.Success, shop.Deliver(app, e.ToDelivery()));
        }
        Assert.Empty(shop.Letters);
        Assert.Equal(before, StoredShop.Snapshot(shop));
    }

    [Fact]
    public void Its_open_orders_are_closed_and_what_they_hold_is_released()
    {
        var shop = Open.Start();
        Assert.Contains(shop.Documents.Keys, key => StoredShop.Read(shop, key) is Order { Status: OrderStatus.Pending });
        Assert.Contains(shop.Documents.Keys, key => StoredShop.Read(shop, key) is Stock.Product { Holdings.Held: > 0 });
        for (var turn = 0; turn < 4; turn++)
        {
            foreach (var app in FuzzedShop.Apps) Assert.Null(shop.Sweep(app));
            shop.DeliverAll();
        }
        Assert.All(shop.Documents.Keys, key => Assert.True(StoredShop.Read(shop, key) switch
        {
            Order order => order.IsClosed,
            Stock.Product product => product.Holdings.Held == 0,
            Payments.Account account => account.Holdings.Held == 0,
            Coupons.Coupon coupon => coupon.Holdings.Held == 0,
            _ => true,
        }, $"{key} is open"));
        Assert.Empty(shop.Audit());
        Assert.Empty(shop.Letters);
    }

    /// <summary>Version 1 refuses a document without a member that it always wrote. By this, and by the form of marks, docs/upgrading.md says what it cannot read.</summary>
    [Fact]
    public void For_version_1_only_the_steps_of_orders_are_missing_and_marks_have_another_form()
    {
        var (before, after) = (MembersByKind("v1/closed", "v1/open"), MembersByKind("v2/closed", "v2/open"));
        Assert.Empty(before.Keys.Except(after.Keys));
        var missing = before.SelectMany(kind => kind.Value.Except(after[kind.Key]).Select(member => $"{kind.Key}.{member}"));
        Assert.Equal(["order.coupon", "order.payment", "order.stock"], missing.Order());
        Assert.Equal(["Released", "Reserved", "Settled"], MarksOf("v1/closed", "v1/open"));
        Assert.Contains("Reserved 2", MarksOf("v2/open"));
    }

    /// <summary>The members that every document of a kind has.</summary>
    private static Dictionary<string, string[]> MembersByKind(params string[] files) => files.SelectMany(file => StoredShop.Read(file).Documents)
        .GroupBy(document => StoredShop.KindOf(document.Key), document => document.Value.AsObject().Select(member => member.Key))
        .ToDictionary(kind => kind.Key, kind => kind.Aggregate((all, members) => all.Intersect(members)).ToArray());

    private static IEnumerable<string> MarksOf(params string[] files) => files.SelectMany(file => StoredShop.Read(file).Documents.Values)
        .Select(document => document["holdings"]?["marks"]).OfType<JsonObject>().SelectMany(marks => marks.Select(mark => $"{mark.Value}")).Distinct().Order();
}
