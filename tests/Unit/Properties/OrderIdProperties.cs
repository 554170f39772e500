using FsCheck;
using FsCheck.Fluent;
using Orders;

namespace Saga.Tests.Properties;

/// <summary>Order ids and order numbers: one canonical spelling, and check characters that find typing errors.</summary>
public sealed class OrderIdProperties
{
    private const string Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    [Fact]
    public void Both_forms_round_trip() => Property.ForAll(Values.Guids, id =>
    {
        Assert.True(OrderNumber.TryParse(OrderNumber.FromId(id), out var byNumber, out _));
        Assert.True(OrderNumber.TryParse(id.ToString(), out var byId, out _));
        Assert.Equal((id, id), (byNumber, byId));
    }, 2_000);

    [Fact]
    public void Every_mistyped_character_is_found() => Property.ForAll(
        from id in Values.Guids
        from at in Gen.Choose(4, 31)
        from digit in Gen.Elements(Digits.ToCharArray())
        select (Number: OrderNumber.FromId(id), At: at, Digit: digit),
        one =>
        {
            var mistyped = one.Number[..one.At] + one.Digit + one.Number[(one.At + 1)..];
            Assert.Equal(mistyped == one.Number, OrderNumber.TryParse(mistyped, out _, out _));
        }, 5_000);

    [Fact]
    public void Every_swap_of_neighbours_is_found() => Property.ForAll(
        from id in Values.Guids
        from at in Gen.Choose(4, 30)
        select (Number: OrderNumber.FromId(id), At: at),
        one =>
        {
            var (number, at) = one;
            var swapped = number[..at] + number[at + 1] + number[at] + number[(at + 2)..];
            Assert.Equal(swapped == number, OrderNumber.TryParse(swapped, out _, out _));
        }, 5_000);

    [Fact]
    public void Only_the_canonical_spelling_of_an_order_id_is_accepted_in_events() => Property.ForAll(
        Spellings, one => Assert.Equal(
            System.Text.RegularExpressions.Regex.IsMatch(one.Text, @"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z"),
            new RequestCheck().CanonicalOrderId("order_id", one.Text).Violations.Count == 0), 5_000);

    [Fact]
    public void A_request_accepts_36_hex_digits_and_hyphens_only() => Property.ForAll(
        Spellings,
        one =>
        {
            var isUuid = System.Text.RegularExpressions.Regex.IsMatch(one.Text, @"\A[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z");
            Assert.Equal(isUuid, new RequestCheck().OrderId(one.Text).Violations.Count == 0);
            Assert.Equal(isUuid, OrderNumber.TryParse(one.Text, out var parsed, out _));
            if (isUuid && one.Text.Equals(one.Id.ToString(), StringComparison.OrdinalIgnoreCase)) Assert.Equal(one.Id, parsed);
        }, 5_000);

    [Fact]
    public void Any_text_is_an_order_id_or_number_or_refused_with_a_sentence() => Property.ForAll(
        Gen.OneOf(Values.Texts, Values.Texts.Select(text => $"ORD-{text}"), Values.Texts.Select(text => $"ORD-{text.PadRight(28, '0')[..28]}")),
        text =>
        {
            if (OrderNumber.TryParse(text, out var id, out var problem)) Assert.True(OrderNumber.TryParse(OrderNumber.FromId(id), out _, out _));
            else Assert.EndsWith(".", problem);
        }, 5_000);

    /// <summary>An id, and another or the same spelling of it, or nearly.</summary>
    private static Gen<(Guid Id, string Text)> Spellings =>
        from id in Values.Guids
        let text = id.ToString()
        from at in Gen.Choose(0, 35)
        from unit in Gen.Elements('+', ' ', 'x', 'X', '-', '0', '\0', '\u0661', '\uff10')
        from spelling in Gen.Elements(
            text, text.ToUpperInvariant(), id.ToString("N"), id.ToString("B"), id.ToString("P"), id.ToString("X"), $" {text}", $"{text} ", $"{text}\n",
            $"{text[..at]}{unit}{text[(at + 1)..]}", $"{text[..at]}{unit}{text[at..]}", $"0x{text[2..]}", $"+{text[1..]}", $"{text[..24]}0x{text[26..]}",
            text[..at], $"ORD-{text}", $"{text}/x")
        select (id, spelling);
}
