using Google.Protobuf.WellKnownTypes;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using ShopConsole;

namespace Saga.Tests;

/// <summary>The samples that the console computes from the stream of order changes.</summary>
public sealed class LiveStatsTests : IDisposable
{
    private readonly VirtualClock clock = new();
    private readonly LiveStats stats;

    public LiveStatsTests() => stats = new(new OrderFeed(new OrderService.OrderServiceClient(NoSidecar), clock, NullLogger<OrderFeed>.Instance), clock);

    public void Dispose() => stats.Dispose();

    // Nothing is called in these tests.
    private static Grpc.Core.CallInvoker NoSidecar => Grpc.Net.Client.GrpcChannel.ForAddress("http://localhost:1").CreateCallInvoker();

    [Fact]
    public void Counts_are_those_since_the_sample_before()
    {
        stats.Add(new() { Placed = 3, Confirmed = 2, Failed = 1, Open = 5, OldestOpenAge = Duration.FromTimeSpan(TimeSpan.FromSeconds(7)) });
        stats.Add(new() { Placed = 1, Open = 6, OldestOpenAge = Duration.FromTimeSpan(TimeSpan.FromSeconds(8)) });
        Assert.Equal(new(clock.GetUtcNow().ToUnixTimeSeconds(), 4, 2, 1, null, null, 6, 8), stats.Take());
        // Another within the same second, as the phase of a timer has it: a chart shows each.
        Assert.Equal(new(clock.GetUtcNow().ToUnixTimeSeconds() + 1, 0, 0, 0, null, null, 6, 8), stats.Take());
    }

    [Fact]
    public void Quantiles_are_those_of_the_last_ten_seconds()
    {
        stats.Add(Latencies(Enumerable.Range(1, 100).Select(milliseconds => milliseconds * 10)));
        Assert.Equal((500, 990), (stats.Take().P50, stats.Take().P99));
        clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromSeconds(6));
        stats.Add(Latencies([5, 5, 5]));
        Assert.Equal(490, stats.Take().P50);
        clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromSeconds(6));
        Assert.Equal((5, 5), (stats.Take().P50, stats.Take().P99));
        clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromSeconds(6));
        Assert.Null(stats.Take().P50);
    }

    private static WatchOrdersResponse Latencies(IEnumerable<int> milliseconds) => new()
    {
        OldestOpenAge = new(),
        Latencies = { milliseconds.Select(one => Duration.FromTimeSpan(TimeSpan.FromMilliseconds(one))) },
    };
}
