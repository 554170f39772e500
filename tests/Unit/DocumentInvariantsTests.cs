using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Coupons;
using Orders;
using Payments;
using Stock;
using Account = Payments.Account;
using Coupon = Coupons.Coupon;
using Order = Orders.Order;
using Product = Stock.Product;

namespace Saga.Tests;

/// <summary>A stored document with a value out of range, or under a key that is not its own, is refused.</summary>
public sealed class DocumentInvariantsTests
{
    private const string OrderId = "0198c0de-0000-7000-8000-0000000000ab";

    private static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(
        JsonTypeInfoResolver.Combine(OrderStateJsonContext.Default, StockJsonContext.Default, PaymentJsonContext.Default, CouponJsonContext.Default));

    [Theory]
    [InlineData("id", "\"b\"", "it is of product 'b'")]
    [InlineData("price", "-5", "its price is -5")]
    [InlineData("price", "1000000001", "its price is 1000000001")]
    [InlineData("holdings.available", "-1", "a holding is negative: available -1, held 0, consumed 0")]
    [InlineData("commands", "[null]", "one of its commands has no key")]
    public void A_product(string member, string value, string problem) =>
        AssertRefused("product:a", new Product("a", "A", 5, Holdings.Of(3), []), member, value, problem);

    [Theory]
    [InlineData("userId", "\"v\"", "it is of user 'v'")]
    [InlineData("holdings.consumed", "-1", "a holding is negative: available 3, held 0, consumed -1")]
    [InlineData("commands", "[null]", "one of its commands has no key")]
    public void An_account(string member, string value, string problem) =>
        AssertRefused("account:u", new Account("u", Holdings.Of(3), []), member, value, problem);

    [Theory]
    [InlineData("id", "\"d\"", "it is coupon 'd'")]
    [InlineData("userId", "\"a||b\"", "it is of user 'a||b'")]
    [InlineData("percent", "101", "its discount is 0 won and 101 percent, at most 7 won")]
    [InlineData("percent", "0", "its discount is 0 won and 0 percent, at most 7 won")]
    [InlineData("amountOff", "5", "its discount is 5 won and 10 percent, at most 7 won")]
    [InlineData("maxAmount", "-1", "its discount is 0 won and 10 percent, at most -1 won")]
    [InlineData("holdings.available", "2", "it has 2 uses")]
    [InlineData("commands", "[null]", "one of its commands has no key")]
    public void A_coupon(string member, string value, string problem) =>
        AssertRefused("coupon:c", new Coupon("c", "u", 0, 10, 7, DateTimeOffset.UnixEpoch, Holdings.Of(1), []), member, value, problem);

    [Theory]
    [InlineData("userId", "\"\"", "'' in it is no id")]
    [InlineData("userCouponId", "\"a b\"", "'a b' in it is no id")]
    [InlineData("items.0.productId", "\"a||b\"", "'a||b' in it is no id")]
    [InlineData("items.0.quantity", "0", "an item has a quantity or price out of range")]
    [InlineData("items.0.quantity", "1001", "an item has a quantity or price out of range")]
    [InlineData("items.0.unitPrice", "-100", "an item has a quantity or price out of range")]
    [InlineData("items.0.unitPrice", "9223372036854775807", "an item has a quantity or price out of range")]
    [InlineData("items.1.productId", "\"p\"", "it has a product twice")]
    [InlineData("items.1.unitPrice", "51", "its total is not the sum of its items")]
    [InlineData("timeline.0.traceId", "\"0af7651916cd43dd8448eb211c80319C\"", "'0af7651916cd43dd8448eb211c80319C' in it is no trace")]
    public void An_order(string member, string value, string problem) => AssertRefused($"order:{OrderId}", Placed(OrderId), member, value, problem);

    [Theory]
    [InlineData("traceId", "\"x\"", "'x' in it is no trace")]
    [InlineData("lines.0.amount", "-1", "'p' has the negative amount -1")]
    public void A_reservation(string member, string value, string problem) => AssertRefused(
        $"reservation:{OrderId}", new Reservation(OrderId, ReservationStatus.Settled, true, [new("p", 1)], null, DateTimeOffset.UnixEpoch), member, value, problem);

    [Theory]
    [InlineData("traceId", "\"x\"", "'x' in it is no trace")]
    public void A_dead_letter(string member, string value, string problem) => AssertRefused(
        "dead-letter:l", new DeadLetter("l", "", "", [], null, DateTimeOffset.UnixEpoch, null, DeadLetterState.Waiting), member, value, problem);

    [Theory]
    [InlineData("hour", "-1"), InlineData("hour", "70389529"), InlineData("hour", "9223372036854775807")]
    public void The_start_of_the_history(string member, string value) =>
        AssertRefused("past:begin", new HistoryStart(500_000), member, value, $"it begins in hour {value}");

    [Theory]
    [InlineData("key", "\"other\"", "it is command 'DepositRequest' with key 'other'")]
    [InlineData("key", "\"\"", "it is command 'DepositRequest' with key ''")]
    [InlineData("command", "\"OpenAccountRequest\"", "it is command 'OpenAccountRequest' with key 'k'")]
    [InlineData("caller", "\"v\"", "it is command 'DepositRequest' with key 'k'")]
    public void A_record_of_a_command(string member, string value, string problem)
    {
        var command = new CompletedCommand("DepositRequest", "k", "content", "", DateTimeOffset.UnixEpoch, Caller: "u");
        AssertRefused(command.ToRecordKey("account:u"), command, member, value, problem);
    }

    [Fact]
    public void An_order_whose_id_is_not_canonical()
    {
        var capitals = OrderId.ToUpperInvariant();
        Assert.Equal($"'{capitals}' in it is no id", Placed(capitals).FindProblem(Order.KeyOf(capitals)));
    }

    [Theory]
    [InlineData("first", "-1"), InlineData("first", "9"), InlineData("next", "1000000000000000000"), InlineData("next", "1000003")]
    public void A_head_of_the_open_order_log(string member, string value) => AssertRefused(
        "open:i", new OpenHead(DateTimeOffset.UnixEpoch, 2, 5), member, value,
        member == "first" ? $"its log goes from {value} to 5" : $"its log goes from 2 to {value}");

    [Theory]
    [InlineData("details", "[]", "an order lacks its details")]
    [InlineData("sealed", "true", "it is the end of its log and has orders")]
    public void A_segment_of_the_open_order_log(string member, string value, string problem) => AssertRefused(
        "open:i:7", new OpenSegment([OrderId], DateTimeOffset.UnixEpoch, Sealed: false, [JsonSerializer.SerializeToElement(1)]), member, value, problem);

    private static Order Placed(string id) => new(
        id, "u", Orders.OrderStatus.Pending, [new("p", 1, 100), new("q", 2, 50)], new(200, 0, 200), "c", new("", "", ""), "content", null,
        DateTimeOffset.UnixEpoch, [new(DateTimeOffset.UnixEpoch, "order-created", "", Orders.OrderStatus.Pending, null)],
        SagaSteps.Default.For("c", DateTimeOffset.UnixEpoch));

    /// <param name="member">Its path, with dots.</param>
    private static void AssertRefused<T>(string key, T valid, string member, string value, string problem) where T : class
    {
        var document = JsonSerializer.SerializeToNode(valid, Json.GetTypeInfo(typeof(T)))!;
        Assert.NotNull(StoredDocument.Parse<T>(key, Encoding.UTF8.GetBytes(document.ToJsonString()), Json));
        var path = member.Split('.');
        var parent = path[..^1].Aggregate(document, (node, name) => int.TryParse(name, out var at) ? node[at]! : node[name]!);
        parent[path[^1]] = JsonNode.Parse(value);
        var refused = Assert.Throws<CorruptDocumentException>(() => StoredDocument.Parse<T>(key, Encoding.UTF8.GetBytes(document.ToJsonString()), Json));
        Assert.Equal($"{key} is corrupt: {problem}.", refused.Message);
    }
}
