using Shop.V1;

namespace Integration.Cli;

/// <summary>Ctrl-C ends a long command with exit code 130 and without an error message; a watch ends by itself too.</summary>
[Collection(nameof(OnTraced))]
public sealed class InterruptTests(TracedShop shop)
{
    [Fact]
    public async Task A_watch_of_an_open_order()
    {
        await using var app = await FakeOrders.StartAsync(OrderStatus.Pending);
        await using var process = Start("order", "place", "mina", "--item", "lamp", "--watch", "--orders", app.Urls.Single());
        await process.LineAsync("order-created");
        process.Signal("INT");
        Assert.Equal(130, await process.ExitAsync());
        Assert.EndsWith("order-created", process.Output.TrimEnd());
    }

    [Theory]
    [InlineData(OrderStatus.Pending, "ORD-1 is still open after 0.5 s; ./shop explain ORD-1 says what it waits for.")]
    [InlineData(OrderStatus.Failed, "ORD-1 is FAILED for good and not compensated by every participant after 0.5 s; ./shop explain ORD-1 says what it waits for.")]
    public async Task A_watch_that_takes_too_long_says_whether_the_outcome_is_final(OrderStatus status, string sentence)
    {
        await using var app = await FakeOrders.StartAsync(status);
        var run = await CliRun.WithoutAddressesAsync("order", "place", "mina", "--item", "lamp", "--watch", "--watch-timeout", "500ms", "--orders", app.Urls.Single());
        Assert.Equal((4, sentence), (run.Exit, run.Error.Trim()));
    }

    [Fact]
    public async Task A_load_prints_its_statistics()
    {
        var begun = DateTime.UtcNow;
        await using var process = Start(["load", "--seconds", "60", "--in-flight", "2", .. CliRun.GetAddressOptions(shop)]);
        for (var placed = false; !placed; await Task.Delay(20))
        {
            Assert.True(DateTime.UtcNow < begun.AddSeconds(30), $"No order was placed. {process.Output}");
            placed = (await shop.Clients.Orders.ListOrdersAsync(new() { PageSize = 1 })).Orders.Any(order => order.PlacedTime.ToDateTime() > begun);
        }
        process.Signal("INT");
        Assert.Equal(130, await process.ExitAsync());
        Assert.Matches(@"placed +\d", process.Output);
        Assert.DoesNotContain("   at ", process.Output);
    }

    private static ChildProcess Start(params IEnumerable<string> words) => ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Shop"), .. words]);
}
