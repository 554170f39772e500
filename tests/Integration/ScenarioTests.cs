using Integration.Cli;
using Shop;

namespace Integration;

/// <summary>The four demo scenarios, in both patterns.</summary>
public abstract class ScenarioTests(RunningShop shop)
{
    protected RunningShop Shop => shop;

    public static TheoryData<string> Names => [.. Scenario.All.Select(scenario => scenario.Name)];

    [Theory, MemberData(nameof(Names)), Trait("Hazard", "B8")]
    public async Task A_scenario_has_the_expected_outcome(string name)
    {
        var result = await Scenario.All.Single(scenario => scenario.Name == name).PlayAsync(shop.Clients, Guid.CreateVersion7().ToString("N")[^8..], default);
        Assert.All(result.Findings, finding => Assert.True(finding.Holds, $"{finding.What}: expected {finding.Expected}, seen {finding.Seen}"));
        Assert.Equal("order-created", result.Timeline[0].Event);
        Assert.Equal(Enumerable.Range(1, result.Timeline.Count), result.Timeline.Select(entry => (int)entry.Revision));
    }
}

[Collection(nameof(OnRedis))]
public sealed class ScenariosOnRedis(RunningShop shop) : ScenarioTests(shop);

[Collection(nameof(OnEmbedded))]
public sealed class ScenariosEmbedded(EmbeddedShop shop) : ScenarioTests(shop);

[Collection(nameof(Sequential))]
public sealed class ScenariosOnPlainPath(PlainShop shop) : ScenarioTests(shop), IClassFixture<PlainShop>
{
    [Fact]
    public async Task Concurrent_orders_are_confirmed_and_add_up()
    {
        var load = await CliRun.AgainstAsync(Shop, "load", "-n", "100", "--in-flight", "16", "--failing", "0", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        Assert.Equal(100, load.Json.GetProperty("confirmed").GetProperty("count").GetInt32());
        await CliRun.UntilAuditHoldsAsync(Shop);
    }
}
