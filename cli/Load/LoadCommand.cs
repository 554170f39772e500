using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop.Load;

/// <summary>Runs a load and prints its statistics.</summary>
internal static class LoadCommand
{
    private const int OrdersMax = 100_000, SecondsMax = 600, InFlightMax = 200, OrdersDefault = 200, InFlightDefault = 8, FailingDefault = 10;

    private static readonly JsonSerializerOptions AsJson = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly TimeSpan RefreshInterval = TimeSpan.FromMilliseconds(200);

    public static Command Command()
    {
        var count = Numbers.Option("--count", 1, OrdersMax, 1000, $"Number of orders. {OrdersDefault} when neither this nor --seconds is given.");
        count.Aliases.Add("-n");
        var seconds = Numbers.Option("--seconds", 1, SecondsMax, 30, "Duration in seconds.");
        var inFlight = Numbers.Option("--in-flight", 1, InFlightMax, 16,
            $"Number of concurrent customers; each waits for the end of its order before it places the next. {InFlightDefault} by default.");
        var failing = Numbers.Option("--failing", 0, 100, 10,
            $"Percentage of orders that are made to fail and are compensated. {FailingDefault} by default.");
        var load = new Command("load", """
            Place many orders, with products and accounts of its own, and print how many ended and how fast. Only on a shop on this machine; its
            products and accounts remain. Exits with 1 when an order was not placed, did not end, or had another outcome than intended.

              shop load
              shop load -n 1000 --in-flight 16
              shop load --seconds 30 --failing 0 --json
            """) { count, seconds, inFlight, failing };
        load.Validators.Add(result =>
        {
            foreach (var address in CommandLine.Addresses)
            {
                if (!Uri.TryCreate(result.GetValue(address), UriKind.Absolute, out var at) || at.IsLoopback) continue;
                result.AddError($"{address.Name} must be on this machine, such as http://localhost:{at.Port}.");
            }
        });
        return load.SetHandler(async context =>
        {
            var plan = new LoadPlan(
                (int)(context.GetValue(count) ?? (context.GetValue(seconds) is null ? OrdersDefault : OrdersMax)),
                TimeSpan.FromSeconds(context.GetValue(seconds) ?? SecondsMax),
                (int)(context.GetValue(inFlight) ?? InFlightDefault), (int)(context.GetValue(failing) ?? FailingDefault));
            context.PossibleEffect = "What the load has created and placed so far remains; a repetition creates its own products and accounts.";
            var catalog = new TestCatalog();
            await catalog.CreateAsync(context.Shop, context.CancellationToken);
            var stats = new LoadStats();
            context.PossibleEffect = "";
            var running = new LoadGenerator(context.Shop, catalog, plan, stats).RunAsync(context.CancellationToken);
            if (!context.Json && AnsiConsole.Profile.Capabilities is { Ansi: true, Interactive: true }) await WatchAsync(running, plan, stats);
            await running;
            stats.Stop();
            if (context.Json) Console.WriteLine(JsonSerializer.Serialize(LoadPrint.Summary(stats), AsJson));
            else AnsiConsole.Write(LoadPrint.Whole(plan, stats));
            return context.CancellationToken.IsCancellationRequested ? ExitCode.Interrupted : stats.IsAsItShouldBe ? ExitCode.Done : ExitCode.Refused;
        });
    }

    /// <summary>Shows the statistics until the load ends.</summary>
    private static Task WatchAsync(Task running, LoadPlan plan, LoadStats stats) =>
        AnsiConsole.Live(LoadPrint.Whole(plan, stats)).AutoClear(true).StartAsync(async live =>
    {
        while (await Task.WhenAny(running, Task.Delay(RefreshInterval)) != running) live.UpdateTarget(LoadPrint.Whole(plan, stats));
    });
}
