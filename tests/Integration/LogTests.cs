using System.Text.RegularExpressions;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>The log lines of one order.</summary>
[Collection(nameof(OnRedis))]
public sealed class LogTests(RunningShop shop)
{
    [Fact]
    public async Task One_grep_finds_the_lines_of_an_order_in_all_services_with_its_trace_id()
    {
        var scenario = Scenario.All.Single(scenario => scenario.Name == "balance too low");
        var result = await scenario.PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
        var order = (await shop.Clients.Orders.ExplainOrderAsync(new() { Order = result.OrderNumber })).Order.OrderId;
        var trace = result.Timeline[0].TraceId;
        Assert.Equal(32, trace.Length);

        string[] lines = [];
        // By event id: refunded, coupon restored, and stock-released consumed by Orders.
        for (var until = DateTime.UtcNow.AddSeconds(30); !HasLogged(@"\[306\]", @"\[404\]", @"\[101\].*stock-released"); await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < until, $"Order {order} has only logged:\n{string.Join('\n', lines)}");
            lines = [.. shop.Output.Split('\n').Where(line => line.Contains(order))];
        }
        var services = lines.Select(line => Regex.Match(line, @"^== APP - (\w+) == \d\d:\d\d:\d\d\.\d\d\d (?:info|warn): (?i:\1)\[\d+\] ").Groups[1].Value);
        Assert.Equal(["coupons", "orders", "payments", "stock"], services.Distinct().Order());
        Assert.All(lines, line => Assert.EndsWith($" trace={trace}", line));

        bool HasLogged(params string[] patterns) => patterns.All(pattern => lines.Any(line => Regex.IsMatch(line, pattern)));
    }
}
