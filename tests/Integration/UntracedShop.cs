using Traces;

namespace Integration;

/// <summary>
/// The shop with traces switched off in the services, in two of them in one way and in two in the other, but not in the sidecars; with a
/// collector and frequent sweeps.
/// </summary>
public sealed class UntracedShop() : RunningShop(embedded: false)
{
    internal Collector Collector { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Zipkin = Collector.Endpoint;
        foreach (var appId in (string[])["orders", "payments"]) EnvironmentByApp[appId] = new() { ["OTEL_TRACES_EXPORTER"] = "none" };
        foreach (var appId in (string[])["stock", "coupons"]) EnvironmentByApp[appId] = new() { ["OTEL_SDK_DISABLED"] = "true" };
        Environment["Saga__SweepPeriod"] = "00:00:00.1";
        Environment["DOTNET_STARTUP_HOOKS"] = typeof(StartupHook).Assembly.Location;
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Collector.DisposeAsync();
    }
}
