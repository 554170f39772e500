using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Orders;

namespace Saga.Tests;

/// <summary>Settings are input: a wrong one is refused at start, in a sentence with its name, its value, what is allowed and an example.</summary>
public sealed class SettingReaderTests
{
    [Theory]
    [InlineData("60s", 60_000)]
    [InlineData("1500ms", 1_500)]
    [InlineData("2m", 120_000)]
    [InlineData("1h", 3_600_000)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5s", 1_500)]
    [InlineData(" 60s ", 60_000)]
    [InlineData("00:01:00", 60_000)]
    [InlineData("00:00:01.5", 1_500)]
    public void A_duration_has_a_unit_or_colons(string text, int milliseconds) =>
        Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Read(("Saga:Deadline", text)).Deadline);

    [Theory]
    [InlineData("60")]
    [InlineData("0")]
    [InlineData("0s")]
    [InlineData("-5s")]
    [InlineData("-00:01:00")]
    [InlineData("s")]
    [InlineData("60 s")]
    [InlineData("60S")]
    [InlineData("1e3s")]
    [InlineData("NaN")]
    [InlineData("25h")]
    [InlineData("2.00:00:00")]
    [InlineData("999999999999999999ms")]
    [InlineData("9999d9999999h")]
    [InlineData("6١s")]
    [InlineData("soon")]
    [InlineData("1:30")]
    public void Another_deadline_is_refused_with_name_value_range_and_example(string text)
    {
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => Read(("Saga:Deadline", text))).Failures);
        Assert.Equal($"Saga__Deadline must be a duration with a unit, 1s to 24h, such as 60s or 00:01:00, not '{text}'.", problem);
    }

    [Theory, InlineData(""), InlineData(" "), InlineData("\t")]
    public void A_blank_setting_is_not_set(string blank) =>
        Assert.Null(new SettingReader(new ConfigurationBuilder().AddInMemoryCollection([new("APP_API_TOKEN", blank)]).Build()).Text("APP_API_TOKEN"));

    [Fact]
    public void A_call_must_not_outlive_the_order_that_it_is_made_for()
    {
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => Read(("Saga:PayDeadline", "1s"))).Failures);
        Assert.StartsWith("Saga__CallTimeout must not be longer than Saga__PayDeadline", problem, StringComparison.Ordinal);
        Read(("Saga:PayDeadline", "1s"), ("Saga:CallTimeout", "1s"));
    }

    [Fact]
    public void All_wrong_settings_are_named_at_once()
    {
        var problems = Assert.Throws<OptionsValidationException>(() => Read(
            ("Saga:Deadline", "60"), ("Saga:ResendAfter", "0s"), ("Saga:SweepPeriod", "00:00:00"), ("Saga:BulkSubscribe", "yes"),
            ("Saga:Batching", "on"), ("Saga:Caching", "off"), ("Saga:RequestsMax", "0"), ("Saga:StreamsMax", "1e3"), ("Saga:OpenOrdersPerUserMax", "-1"), ("Saga:Resend", "5s"))).Failures.ToArray();
        Assert.Equal(10, problems.Length);
        Assert.Equal("Saga__Resend is not a setting; Saga has Saga__Deadline, Saga__ResendAfter, Saga__PayDeadline, Saga__CallTimeout, Saga__SweepPeriod, Saga__DrainDelay, Saga__Steps, Saga__BulkSubscribe, "
            + "Saga__Batching, Saga__Caching, Saga__RequestsMax, Saga__StreamsMax, Saga__OpenOrdersMax, Saga__OpenOrdersPerUserMax.", problems[0]);
        Assert.Contains("Saga__SweepPeriod must be a duration with a unit, 50ms to 600s", problems[3]);
        Assert.Equal("Saga__BulkSubscribe must be true or false, such as true, not 'yes'.", problems[4]);
        Assert.Equal("Saga__Batching must be true or false, such as true, not 'on'.", problems[5]);
        Assert.Equal("Saga__Caching must be true or false, such as true, not 'off'.", problems[6]);
        Assert.Equal("Saga__RequestsMax must be a whole number, 1 to 100000, such as 1000, not '0'.", problems[7]);
    }

    [Theory]
    [InlineData("Saga", "Saga")]
    [InlineData("Saga:Deadline:x", "Saga__Deadline__x")]
    [InlineData("Saga:Steps:0", "Saga__Steps__0")]
    public void A_value_where_no_setting_is_is_refused(string key, string name)
    {
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => Read((key, "60s"))).Failures);
        Assert.StartsWith($"{name} is not a setting; Saga has Saga__Deadline, ", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stock,stock")]
    [InlineData("stock,")]
    [InlineData("Stock")]
    [InlineData("order"), InlineData("payment"), InlineData("stock,stock-reservation"), InlineData("coupon-usage")]
    public void Steps_that_are_no_participants_are_refused(string text)
    {
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => SagaStepsSetting.Read(new(Configure(("Saga:Steps", text))))).Failures);
        Assert.Equal("Saga__Steps must be 1 to 20 app ids of participants with commas between them, each once and 1 to 32 characters of a-z 0-9 -, and none "
            + $"of them stock-reservation or payment or coupon-usage or order or step, such as stock,payments,coupons, not '{text}'.", problem);
    }

    [Fact]
    public void A_misspelt_setting_of_the_console_is_refused()
    {
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(() => ShopConsole.Settings.From(Configure(("Console:Zipkn", "http://localhost")))).Failures);
        Assert.Equal("Console__Zipkn is not a setting; Console has Console__Zipkin.", problem);
    }

    [Theory, InlineData("a\tb"), InlineData("geheim-ä"), InlineData("a\nb")]
    public void A_token_that_no_header_can_have_is_refused_without_being_repeated(string token)
    {
        var settings = new SettingReader(Configure(("DAPR_API_TOKEN", token)));
        settings.Token("DAPR_API_TOKEN");
        Assert.Equal(
            "DAPR_API_TOKEN must be printable ASCII characters, such as letters and digits.",
            Assert.Single(Assert.Throws<OptionsValidationException>(settings.ThrowIfInvalid).Failures));
    }

    [Fact]
    public void Empty_and_missing_settings_have_their_defaults()
    {
        var options = Read(("Saga:Deadline", ""));
        Assert.Equal(
            (TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), false, true, true),
            (options.Deadline, options.ResendAfter, options.SweepPeriod, options.BulkSubscribe, options.Batching, options.Caching));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("-1")]
    [InlineData("http")]
    [InlineData("+80")]
    [InlineData("8 0")]
    public void A_wrong_port_is_refused(string text)
    {
        var settings = new SettingReader(Configure(("APP_PORT", text)));
        settings.Port("APP_PORT", 5001);
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(settings.ThrowIfInvalid).Failures);
        Assert.Equal($"APP_PORT must be a port, 1 to 65535, such as 5001, not '{text}'.", problem);
    }

    [Theory]
    [InlineData("localhost:9411")]
    [InlineData("/api/v2/spans")]
    [InlineData("ftp://localhost")]
    [InlineData("http://")]
    public void A_wrong_address_is_refused(string text)
    {
        var settings = new SettingReader(Configure(("Console:Zipkin", text)));
        settings.Url("Console:Zipkin", "http://localhost:9411");
        var problem = Assert.Single(Assert.Throws<OptionsValidationException>(settings.ThrowIfInvalid).Failures);
        Assert.Equal($"Console__Zipkin must be an absolute http or https URL, such as http://localhost:9411, not '{text}'.", problem);
    }

    private static SagaOptions Read(params (string Key, string Value)[] values)
    {
        var settings = new SettingReader(Configure(values));
        var options = SagaOptions.Read(settings);
        settings.ThrowIfInvalid();
        return options;
    }

    private static IConfiguration Configure(params (string Key, string Value)[] values) =>
        new ConfigurationBuilder().AddInMemoryCollection(values.Select(value => new KeyValuePair<string, string?>(value.Key, value.Value))).Build();
}
