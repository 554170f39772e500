using System.Text;
using System.Text.Json;
using Stock;

namespace Saga.Tests;

/// <summary>The stored form of marks, that of earlier versions included.</summary>
public sealed class ReservationMarkTests
{
    private static readonly JsonSerializerOptions Json = SagaHost.CreateJsonOptions(StockJsonContext.Default);

    public static TheoryData<ReservationMark, string> Forms => new()
    {
        { new(MarkState.Reserved, 3), "Reserved 3" },
        { new(MarkState.Reserved), "Reserved" },
        { new(MarkState.Rejected, 0, new("OUT_OF_STOCK", "3 were asked for and 1 is available.")), "Rejected OUT_OF_STOCK 3 were asked for and 1 is available." },
        { new(MarkState.Released, long.MaxValue), "Released 9223372036854775807" },
        { new(MarkState.Voided), "Voided" },
        { new(MarkState.Settled, 1), "Settled 1" },
    };

    [Theory, MemberData(nameof(Forms))]
    public void A_mark_is_stored_in_words(ReservationMark mark, string stored)
    {
        var text = JsonSerializer.Serialize(stored);
        Assert.Equal(mark, JsonSerializer.Deserialize<ReservationMark>(text));
        Assert.Equal(stored, JsonSerializer.Deserialize<string>(JsonSerializer.Serialize(mark)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("1 3")]
    [InlineData("reserved 3")]
    [InlineData("Reserved -3")]
    [InlineData("Reserved 3 4")]
    [InlineData("Reserved 9223372036854775808")]
    [InlineData("Reserved,Settled 3")]
    [InlineData("Rejected")]
    [InlineData("Rejected OUT_OF_STOCK")]
    public void Other_words_are_refused(string stored) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ReservationMark>(JsonSerializer.Serialize(stored)));

    [Fact]
    public void A_product_of_version_1_without_open_orders_is_read()
    {
        var product = Parse(held: 0, """{"00000000-0000-0000-0000-000000000001":"Settled","00000000-0000-0000-0000-000000000002":"Released"}""");
        Assert.Equal(new Level(Available: 7, Consumed: 3), Level.From(product.Holdings));
        Assert.Equal([MarkState.Settled, MarkState.Released], product.Holdings.Marks.Values.Select(mark => mark.State));
    }

    [Fact]
    public void A_product_of_version_1_with_an_open_order_is_refused()
    {
        var refused = Assert.Throws<CorruptDocumentException>(() => Parse(held: 3, """{"00000000-0000-0000-0000-000000000001":"Reserved"}"""));
        Assert.Contains("it holds 3, and its orders hold 0", refused.Message);
        // Where the record had decided, the mark was pruned.
        Assert.Throws<CorruptDocumentException>(() => Parse(held: 3, "{}"));
    }

    [Theory]
    [InlineData("Settled", true)]
    [InlineData("Released", true)]
    [InlineData("Rejected", true)]
    [InlineData("Reserved", false)]
    public void Of_the_reservations_of_version_1_the_final_ones_are_read(string status, bool isRead)
    {
        var stored = $$"""{"orderId":"o","status":"{{status}}","wasReserved":true,"lines":[{"resourceId":"p","amount":3}],"changed":"2026-11-01T10:00:00+00:00"}""";
        Reservation Read() => StoredDocument.Parse<Reservation>(Reservation.KeyOf("o"), Encoding.UTF8.GetBytes(stored), Json);
        if (isRead) Assert.Equal(status, $"{Read().Status}");
        else Assert.Contains("docs/upgrading.md", Assert.Throws<CorruptDocumentException>(Read).Message);
    }

    private static Product Parse(long held, string marks) => StoredDocument.Parse<Product>("product:p", Encoding.UTF8.GetBytes(
        $$"""{"id":"p","name":"Lamp","price":1000,"holdings":{"available":7,"held":{{held}},"consumed":3,"marks":{{marks}}},"commands":[]}"""), Json);
}
