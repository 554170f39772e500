using Google.Protobuf;
using Saga.Tests.Hazards;
using Shop.V1;
using Status = Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus;

namespace Saga.Tests;

/// <summary>An event that can never be handled is stored as a dead letter at the first attempt, and changes nothing else.</summary>
public sealed class PoisonTests
{
    private const string Unknown = "0198c0de-abcd-7000-8000-00000000dead", Known = "0198c0de-abcd-7000-8000-0000000000ef";

    private readonly ScriptedShop shop = new();

    public static TheoryData<string> Kinds => [.. Poison.All(Known, Unknown).Select(one => one.Kind)];

    [Theory, MemberData(nameof(Kinds))]
    public void Poison_is_rejected_by_every_subscriber_and_moves_nothing(string kind)
    {
        shop.Place(ScriptedShop.OrderOf() with { Id = Known });
        shop.DeliverAll();
        var poison = Poison.All(Known, Unknown).Single(one => one.Kind == kind).Create();
        var before = DocumentStore();

        foreach (var app in shop.SubscribersOf(poison))
        {
            Assert.Equal(Status.Success, shop.Receive(app, $"poison/{poison.Descriptor.Name}", poison));
            var letter = Assert.Single(shop.Store.All<DeadLetter>($"{app}||dead-letter:"));
            Assert.Equal((OutgoingEvent.GetTopic(poison.Descriptor.Name), DeadLetterState.Waiting), (letter.Topic, letter.State));
            Assert.NotEmpty(letter.Problem!);
        }
        Assert.Equal(before, DocumentStore());
    }

    [Fact]
    public void The_events_of_the_shop_keep_the_contract()
    {
        shop.Place(ScriptedShop.OrderOf());
        shop.Place(ScriptedShop.OrderOf(coupon: null, number: 2));
        shop.Place(ScriptedShop.OrderOf(number: 3, items: [("a", 11), ("b", 1)]));
        shop.DeliverAll();
        Assert.True(shop.Published.Select(e => e.Topic).Distinct().Count() >= 9);
        Assert.All(shop.Published, e => Assert.Equal("", EventRules.Violations(e.Message)));
    }

    [Fact]
    public void Another_payload_under_the_id_of_a_dead_letter_does_not_replace_it()
    {
        const string Id = $"{Known}/StockReservedEvent";
        foreach (var reservation in (string[])["rsv-1", "rsv-2", "rsv-1"])
        {
            Assert.Equal(Status.Success, shop.Receive("orders", Id, new StockReservedEvent { OrderId = Unknown, ReservationId = reservation }));
        }
        // The third is the first again.
        var letters = shop.Store.All<DeadLetter>("orders||dead-letter:").ToArray();
        Assert.Equal(
            ["rsv-1", "rsv-2"],
            letters.Select(letter => OutgoingEvent.FromJson<StockReservedEvent>(ByteString.CopyFrom(letter.Data)).ReservationId).Order());
        Assert.All(letters, letter => Assert.Equal(Id, letter.EventId));
    }

    [Fact]
    public void A_transient_fault_is_retried_and_makes_no_dead_letter()
    {
        shop.Place(ScriptedShop.OrderOf() with { Id = Known });
        shop.TroubleAhead("stock", Fault.Failure, after: 0);
        shop.Deliver("stock", "order-created");
        Assert.Empty(shop.Store.All<DeadLetter>("stock||dead-letter:"));
        shop.CloseAll();
    }

    [Theory]
    [InlineData("order-created", "{\"orderId\":7")]
    [InlineData("order-created", "")]
    [InlineData("order-created", "[]")]
    [InlineData("order-created", "{\"orderId\":{}}")]
    [InlineData("order-created", "{\"totalAmount\":\"1e999\"}")]
    [InlineData("order-created", "{\"items\":[null]}")]
    [InlineData("no-such-topic", "{}")]
    public void An_event_of_another_topic_is_rejected_with_a_reason(string topic, string data)
    {
        var stock = shop.Another("stock");
        var answer = (Status?)null;
        shop.Together(async () => answer = await stock.Dispatcher.DispatchAsync(new Delivery(topic, "x/y", ByteString.CopyFromUtf8(data)), default));
        Assert.Equal(Status.Success, answer);
        Assert.NotEmpty(Assert.Single(shop.Store.All<DeadLetter>("stock||dead-letter:")).Problem!);
    }

    private SortedDictionary<string, long> DocumentStore() => new(shop.Store.Versions
        .Where(document => !document.Key.Contains("||dead-letter", StringComparison.Ordinal)).ToDictionary(), StringComparer.Ordinal);
}
