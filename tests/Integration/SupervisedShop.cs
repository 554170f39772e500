using Integration.Chaos;

namespace Integration;

/// <summary>A shop for tests that kill or freeze one of its processes and leave all of them running.</summary>
public sealed class SupervisedShop : IAsyncLifetime
{
    internal static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private ChaosShop processes = null!;

    internal ChaosShop Processes => processes;

    internal Supervised Orders => Find("Orders 1");

    internal Supervised Stock => Find("Stock 1");

    internal Supervised Payments => Find("Payments 1");

    internal Supervised Coupons => Find("Coupons 1");

    internal Supervised SidecarOf(Supervised service) => processes.Sidecars[processes.Services.IndexOf(service)];

    public async Task InitializeAsync() => processes = await ChaosShop.OpenAsync([1, 1, 1, 1], Deadline, drainDelay: TimeSpan.FromSeconds(3));

    public async Task DisposeAsync() => await processes.DisposeAsync();

    private Supervised Find(string name) => processes.Services.Single(service => service.Name == name);
}

/// <summary>Tests that share a shop whose processes they kill; one after the other.</summary>
[CollectionDefinition(nameof(OnSupervised))]
public sealed class OnSupervised : ICollectionFixture<SupervisedShop>;
