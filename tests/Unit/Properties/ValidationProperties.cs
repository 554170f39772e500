using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Saga.Tests.Properties;

/// <summary>Any text and number of a client or of an operator is accepted, or refused in a sentence.</summary>
public sealed class ValidationProperties
{
    [Fact]
    public void Any_text_is_valid_or_refused_with_the_name_of_its_field() => Property.ForAll(
        from text in Gen.OneOf(Values.Texts, Values.Ids)
        from min in Gen.Choose(0, 5)
        from more in Gen.Choose(0, 100)
        select (text, min, max: min + more),
        one =>
        {
            var isId = one.text.Length is >= 1 and <= 64 && System.Text.RegularExpressions.Regex.IsMatch(one.text, @"\A[A-Za-z0-9_.:@-]+\z");
            Assert.Equal(isId, new RequestCheck().Id("id", one.text).Violations.Count == 0);

            var length = one.text.EnumerateRunes().Count();
            var isWellFormed = !one.text.Any(char.IsControl) && Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(one.text)) == one.text;
            Assert.Equal(length >= one.min && length <= one.max && isWellFormed, new RequestCheck().Text("name", one.text, one.min, one.max).Violations.Count == 0);

            var all = new RequestCheck().Id("a", one.text).Text("b", one.text, one.min, one.max).IdempotencyKey(one.text).Page(one.text.Length, one.text);
            Assert.All(all.Violations, violation => Assert.True(violation.Field.Length > 0 && violation.Description.EndsWith('.')));
            if (all.Violations.Count == 0) all.ThrowIfInvalid();
            else
            {
                var details = Assert.Throws<RejectedException>(all.ThrowIfInvalid).Rejection.Details;
                Assert.Equal(all.Violations.Count, Assert.IsType<Google.Rpc.BadRequest>(Assert.Single(details)).FieldViolations.Count);
            }
        }, 3_000);

    [Fact]
    public void Any_number_is_valid_or_refused() => Property.ForAll(
        from value in Values.Amounts
        from min in Values.Amounts
        from max in Values.Amounts
        from nanos in Gen.Elements(0, 1, 999_999_999, 1_000_000_000, -1, int.MaxValue)
        select (value, min, max, nanos),
        one =>
        {
            Assert.Equal(one.value >= one.min && one.value <= one.max, new RequestCheck().Range("n", one.value, one.min, one.max).Violations.Count == 0);
            var time = new Timestamp { Seconds = one.value, Nanos = one.nanos };
            // What is accepted can be converted.
            if (new RequestCheck().Time("t", time, "x").Violations.Count == 0) Assert.InRange(time.ToDateTimeOffset().Year, 1, 9999);
            else Assert.False(one.value is >= 0 and <= 2_000 && one.nanos is >= 0 and < 1_000_000_000, $"{time.Seconds} {time.Nanos}");
            Assert.Equal((int)one.value is > 0 and <= 3, new RequestCheck().Known("s", (Shop.V1.Step)(int)one.value).Violations.Count == 0);
        }, 3_000);

    [Fact]
    public void A_duration_is_in_range_or_refused_in_one_sentence() => Property.ForAll(
        Gen.OneOf(Values.Texts, Durations), text =>
        {
            var (min, max) = (TimeSpan.FromSeconds(1), TimeSpan.FromHours(24));
            var settings = Read(text);
            var duration = settings.Duration("Saga:Deadline", TimeSpan.FromSeconds(60), min, max);
            Assert.InRange(duration, min, max);
            settings.Flag("Saga:Deadline", false);
            Assert.InRange(settings.Port("Saga:Deadline", 5001), 1, 65_535);
            Assert.True(settings.Url("Saga:Deadline", "http://localhost") is null or { IsAbsoluteUri: true });

            var only = Read(text);
            only.Duration("Saga:Deadline", TimeSpan.FromSeconds(60), min, max);
            if (Rejection(only) is { } problems) Assert.StartsWith("Saga__Deadline must be a duration", Assert.Single(problems));
        }, 5_000);

    [Fact]
    public void A_duration_of_units_is_the_sum_of_its_parts() => Property.ForAll(
        from hours in Gen.Choose(0, 9)
        from minutes in Gen.Choose(0, 99)
        from seconds in Gen.Choose(1, 99)
        select (hours, minutes, seconds),
        one =>
        {
            var settings = Read($"{one.hours}h{one.minutes}m{one.seconds}s");
            Assert.Equal(
                TimeSpan.FromSeconds(one.hours * 3_600 + one.minutes * 60 + one.seconds),
                settings.Duration("Saga:Deadline", TimeSpan.Zero, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)));
            Assert.Null(Rejection(settings));
        });

    /// <summary>Nearly durations.</summary>
    private static Gen<string> Durations =>
        from parts in (
            from number in Gen.Elements("0", "1", "60", "1.5", "-5", "9999", "999999999999", "99999999999999999999", ".", "1e3", "٣")
            from unit in Gen.Elements("d", "h", "m", "s", "ms", "", ":", " s", "S", ".")
            select number + unit).ArrayOf()
        select string.Concat(parts.Take(6));

    private static string[]? Rejection(SettingReader settings)
    {
        try
        {
            settings.ThrowIfInvalid();
            return null;
        }
        catch (OptionsValidationException invalid)
        {
            return [.. invalid.Failures];
        }
    }

    private static SettingReader Read(string text) =>
        new(new ConfigurationBuilder().AddInMemoryCollection([new KeyValuePair<string, string?>("Saga:Deadline", text)]).Build());
}
