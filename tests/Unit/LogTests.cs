using System.Diagnostics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace Saga.Tests;

/// <summary>What services log: numbered, each line with its order and its trace.</summary>
public sealed class LogTests
{
    private const string Order = "0198c0de-0000-7000-8000-000000000001";

    /// <summary>Lines that are about no order.</summary>
    private static readonly string[] AboutTheService =
        ["SweepFailed", "LeaseLost", "TookOver", "TracesLost", "TelemetryWarning", "FaultsGoOn", "FaultsOver", "FeedOpened", "FeedLost", "StoreUnfit",
            "CallersNotAuthenticated", "DocumentLeftOut", "OpenOrdersUnreadable", "ReportNotStored", "LeftOutOfList", "OthersNotSeen", "Draining", "LogNotLeft"];

    [Theory]
    [InlineData(typeof(SagaHost), 1, 99)]
    [InlineData(typeof(Orders.Order), 100, 199)]
    [InlineData(typeof(Stock.Product), 200, 299)]
    [InlineData(typeof(Payments.Account), 300, 399)]
    [InlineData(typeof(Coupons.Coupon), 400, 499)]
    [InlineData(typeof(ShopConsole.LiveStats), 500, 599)]
    public void Each_service_has_one_catalogue_numbered_within_its_range_and_each_line_has_its_order(Type of, int first, int last)
    {
        var lines = of.Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Select(method => (Method: method, Line: method.GetCustomAttribute<LoggerMessageAttribute>()))
            .Where(one => one.Line is not null).ToArray();
        Assert.Single(lines.Select(one => one.Method.DeclaringType).Distinct());
        Assert.All(lines, one => Assert.InRange(one.Line!.EventId, first, last));
        Assert.Equal(lines.Length, lines.Select(one => one.Line!.EventId).Distinct().Count());
        Assert.All(lines, one => Assert.Equal(one.Method.Name, one.Line!.EventName));
        var aboutOrders = lines.Where(one => !AboutTheService.Contains(one.Method.Name));
        Assert.All(aboutOrders, one => Assert.Contains("orderId", one.Method.GetParameters().Select(part => part.Name)));
    }

    [Fact]
    public void A_line_ends_with_its_trace_and_names_its_order_once()
    {
        using var request = new Activity("request") { ActivityTraceFlags = ActivityTraceFlags.Recorded }.Start();
        Assert.Matches($@"^\d\d:\d\d:\d\d\.\d\d\d info: Stock\[7\] Order {Order} is fine\. trace={request.TraceId}$",
            LineOf($"Order {Order} is fine."));
        using var step = new Activity("reserve stock").Start().SetOrder(Order);
        using var within = new Activity("call").Start();
        Assert.EndsWith($" It went wrong. order={Order} trace={request.TraceId}", LineOf("It went wrong."));
        Assert.DoesNotContain("order=", LineOf($"Order {Order} is fine."));
    }

    [Fact]
    public void A_line_without_a_span_has_no_trace()
    {
        using var looking = SagaTracing.Suppress();
        Assert.EndsWith("Looking.", LineOf("Looking."));
    }

    [Fact]
    public void An_exception_and_text_with_line_breaks_stay_on_one_line()
    {
        var line = LineOf("first\r\nsecond", new InvalidOperationException("third\nfourth", new TimeoutException("fifth")));
        Assert.DoesNotContain('\n', line);
        Assert.Contains("first second System.InvalidOperationException: third fourth", line);
        Assert.Contains("fifth", line);
    }

    [Fact]
    public void Hostile_text_can_neither_begin_a_line_nor_command_a_terminal()
    {
        var line = LineOf("a\rb\u001b[2Jc\u0085d\u2028e\u009bf\0g\u202eh", new InvalidOperationException("h\u0007"));
        Assert.Contains(@"a\u000db\u001b[2Jc\u0085d\u2028e\u009bf\u0000g\u202eh System.InvalidOperationException: h\u0007", line);
        Assert.DoesNotContain(line, letter => char.IsControl(letter) || letter is '\u2028' or '\u2029');
    }

    [Theory]
    [InlineData(null, "line")]
    [InlineData("json", "json")]
    public void The_format_is_configured_in_the_Logging_section(string? format, string chosen)
    {
        var builder = WebApplication.CreateSlimBuilder(
            format is null ? [] : ["--Logging:Console:FormatterName", format, "--Logging:LogLevel:Microsoft", "Debug"]);
        builder.Services.AddSingleton(TimeProvider.System);
        SingleLineFormatter.Add(builder);
        using var services = builder.Services.BuildServiceProvider();
        Assert.Equal(chosen, services.GetRequiredService<IOptions<ConsoleLoggerOptions>>().Value.FormatterName);
        Assert.True(services.GetRequiredService<IOptionsMonitor<JsonConsoleFormatterOptions>>().CurrentValue.IncludeScopes);
        var log = services.GetRequiredService<ILoggerFactory>();
        Assert.Equal(format is not null, log.CreateLogger("Microsoft.Whatever").IsEnabled(LogLevel.Information));
        Assert.True(log.CreateLogger("Stock").IsEnabled(LogLevel.Information));
    }

    private static string LineOf(string text, Exception? fault = null)
    {
        var written = new StringWriter { NewLine = "\n" };
        new SingleLineFormatter(TimeProvider.System).Write(
            new LogEntry<string>(LogLevel.Information, "Stock", new(7), text, fault, (state, _) => state), null, written);
        Assert.EndsWith("\n", written.ToString());
        return written.ToString()[..^1];
    }
}
