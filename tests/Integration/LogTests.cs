using System.Text.RegularExpressions;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>What the services log, as somebody reads it who follows one order.</summary>
[Collection(nameof(OnRedis))]
public sealed class LogTests(RunningShop shop)
{
    [Fact]
    public async Task One_grep_follows_an_order_through_all_four_services_and_each_line_has_its_trace()
    {
        var scenario = Scenario.All.Single(scenario => scenario.Name == "balance too low");
        var result = await scenario.PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
        var order = (await shop.Clients.Orders.ExplainOrderAsync(new() { Order = result.OrderNumber })).Order.OrderId;
        var trace = result.Timeline[0].TraceId;
        Assert.Equal(32, trace.Length);

        string[] lines = [];
        for (var until = DateTime.UtcNow.AddSeconds(30); !Said("Nothing of order", "is free of order", "Heard stock-released"); await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < until, $"Of order {order} there is only:\n{string.Join('\n', lines)}");
            lines = [.. shop.Output.Split('\n').Where(line => line.Contains(order))];
        }
        var services = lines.Select(line => Regex.Match(line, @"^== APP - (\w+) == \d\d:\d\d:\d\d\.\d\d\d info: (?i:\1)\[\d+\] ").Groups[1].Value);
        Assert.Equal(["coupons", "orders", "payments", "stock"], services.Distinct().Order());
        Assert.All(lines, line => Assert.EndsWith($" trace={trace}", line));

        bool Said(params string[] texts) => texts.All(text => lines.Any(line => line.Contains(text)));
    }
}
