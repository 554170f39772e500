using Orders;

namespace Saga.Tests;

public sealed class OrderNumberTests
{
    private static readonly Guid Id = Guid.Parse("0198c0de-1234-7abc-8def-0123456789ab");

    [Fact]
    public void Both_forms_of_an_id_round_trip()
    {
        for (var at = 0; at < 1_000; at++)
        {
            var id = OrderNumber.Derive("user", at.ToString());
            Assert.True(OrderNumber.TryParse(OrderNumber.FromId(id), out var byNumber, out _));
            Assert.True(OrderNumber.TryParse(id.ToString(), out var byId, out _));
            Assert.Equal((id, id), (byNumber, byId));
        }
    }

    [Fact]
    public void Every_single_character_error_is_detected()
    {
        var number = OrderNumber.FromId(Id);
        var caught = 0;
        for (var at = 4; at < number.Length; at++)
        {
            foreach (var letter in "0123456789ABCDEFGHJKMNPQRSTVWXYZ".Where(letter => letter != number[at]))
            {
                var mistyped = number[..at] + letter + number[(at + 1)..];
                Assert.False(OrderNumber.TryParse(mistyped, out _, out var wrong), mistyped);
                Assert.NotEmpty(wrong!);
                caught++;
            }
        }
        Assert.Equal(28 * 31, caught);
    }

    [Fact]
    public void Every_transposition_of_neighbours_is_detected()
    {
        var number = OrderNumber.FromId(Id).ToCharArray();
        for (var at = 4; at + 1 < number.Length; at++)
        {
            if (number[at] == number[at + 1]) continue;
            var swapped = number.ToArray();
            (swapped[at], swapped[at + 1]) = (swapped[at + 1], swapped[at]);
            Assert.False(OrderNumber.TryParse(new(swapped), out _, out _), new(swapped));
        }
    }

    [Fact]
    public void A_number_has_no_character_that_a_shell_or_a_URL_treats_specially()
    {
        for (var at = 0; at < 1_000; at++) Assert.Matches("^ORD-[0-9A-HJKMNP-TV-Z]{28}$", OrderNumber.FromId(OrderNumber.Derive("user", $"{at}")));
    }

    [Theory]
    [InlineData("ORD-01K30DW4HMFAY8VVR14D2PF2DB6", "0198c0de-1234-7abc-8def-0123456789ab")]
    [InlineData("ORD-01K30DW4HMFAY8VVR14D2PF28C*", "0198c0de-1234-7abc-8def-01234567890c")]
    [InlineData("ord-01k30dw4hmfay8vvr14d2pf28c*", "0198c0de-1234-7abc-8def-01234567890c")]
    public void A_number_with_the_older_check_character_is_still_read(string number, string expected)
    {
        Assert.True(OrderNumber.TryParse(number, out var id, out var problem), problem);
        Assert.Equal(Guid.Parse(expected), id);
        Assert.False(OrderNumber.TryParse($"{number[..^1]}{(number[^1] == '*' ? '~' : '*')}", out _, out _));
    }

    [Fact]
    public void Look_alikes_of_zero_and_one_are_accepted()
    {
        var number = OrderNumber.FromId(Id);
        var written = number.ToLowerInvariant().Replace('0', 'o').Replace('1', 'l').Replace("ord-", "ord-", StringComparison.Ordinal);
        Assert.True(OrderNumber.TryParse("ord-" + written[4..], out var id, out _));
        Assert.Equal(Id, id);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ORD-")]
    [InlineData("12345")]
    [InlineData("ORD-ÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅÅ")]
    public void Other_text_is_rejected_with_a_sentence(string text)
    {
        Assert.False(OrderNumber.TryParse(text, out _, out var wrong));
        Assert.EndsWith(".", wrong);
    }

    [Fact]
    public void The_same_user_and_key_derive_the_same_id()
    {
        Assert.Equal(OrderNumber.Derive("u", "k"), OrderNumber.Derive("u", "k"));
        Assert.NotEqual(OrderNumber.Derive("u", "k"), OrderNumber.Derive("u", "k2"));
        Assert.NotEqual(OrderNumber.Derive("u", "k"), OrderNumber.Derive("u2", "k"));
        Assert.Equal(8, OrderNumber.Derive("u", "k").Version);
    }
}
