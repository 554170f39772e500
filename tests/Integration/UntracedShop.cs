using Traces;

namespace Integration;

/// <summary>The shop with traces switched off in the services but not in the sidecars, with a collector and frequent sweeps.</summary>
/// <param name="variable">The environment variable that switches traces off.</param>
public sealed class UntracedShop(string variable, string value) : RunningShop(embedded: false)
{
    internal Collector Collector { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Collector = await Collector.StartAsync();
        Zipkin = Collector.Endpoint;
        Environment[variable] = value;
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
