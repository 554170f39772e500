using Traces;

namespace Integration;

/// <summary>The shop with a collector in place of Zipkin.</summary>
public class TracedShop() : RunningShop(embedded: false)
{
    internal Collector Collector { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Zipkin = Collector.Endpoint;
        Environment["Logging__Console__FormatterName"] = "json";
        // A resend or a redelivery on a machine that stands still for seconds would add spans.
        Environment["Saga__ResendAfter"] = "60s";
        await base.InitializeAsync();
    }

    protected override string EditComponent(string text) => text.Replace("delivery: 4s", "delivery: 30s");

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Collector.DisposeAsync();
    }
}

/// <summary>Half of the tests that need a shop with Redis; <see cref="OnRedis"/> has the other half.</summary>
[CollectionDefinition(nameof(OnTraced))]
public sealed class OnTraced : ICollectionFixture<TracedShop>;
