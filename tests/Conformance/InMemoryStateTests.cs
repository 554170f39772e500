using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static Conformance.StateCalls;

namespace Conformance;

/// <summary>The differences between state.in-memory and state.redis.</summary>
[Collection(nameof(OnSharedSidecar))]
public sealed class InMemoryStateTests(SharedSidecar shared)
{
    private const string Store = "store-in-memory";
    private readonly string key = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => shared.Sidecar.Dapr;

    [Fact]
    public async Task Every_write_creates_a_new_etag()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var (_, first) = await Dapr.GetAsync(Store, key);
        await Dapr.SaveAsync(Store, Item(key, "two", first));
        var (value, second) = await Dapr.GetAsync(Store, key);
        Assert.Equal("two", value);
        Assert.True(Guid.TryParse(first, out _) && Guid.TryParse(second, out _) && first != second);
    }

    [Fact]
    public async Task An_etag_for_a_missing_key_is_a_mismatch()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "one", "1")));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
    }

    [Fact]
    public async Task First_write_on_any_existing_key_is_a_mismatch()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", concurrency: FirstWrite)));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        await Dapr.SaveAsync(Store, Item(key, "three"));
        Assert.Equal("three", (await Dapr.GetAsync(Store, key)).Value);
    }

    [Fact]
    public async Task A_key_expires_after_its_ttl()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", metadata: ("ttlInSeconds", "1")));
        await Poll.UntilAsync(async () => (await Dapr.GetAsync(Store, key)).Value.Length == 0);
    }
}
