using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop.Load;

/// <summary>Places many orders and says how it went.</summary>
internal static class LoadCommand
{
    private const int OrdersMax = 100_000, SecondsMax = 600, InFlightMax = 200, OrdersUsual = 200;

    private static readonly JsonSerializerOptions AsJson = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(200);

    public static Command Command()
    {
        var count = Number("--count", 1, OrdersMax, $"Place so many. {OrdersUsual} when neither this nor --seconds is said.");
        count.Aliases.Add("-n");
        var seconds = Number("--seconds", 1, SecondsMax, "Place orders for so long.");
        var inFlight = Number("--in-flight", 1, InFlightMax,
            "So many customers, each of whom waits for the end of an order before placing the next.");
        inFlight.DefaultValueFactory = _ => 8;
        var failing = Number("--failing", 0, 100, "Percent of the orders that are made to fail, so that they are undone.");
        failing.DefaultValueFactory = _ => 10;
        var load = new Command("load", """
            Place many orders, of products and customers made for it, and say how it went. Only on a shop on this machine; it leaves behind
            what it made. Exits with 1 when an order was not placed, did not end, or ended otherwise than it was made to.

              shop load
              shop load -n 1000 --in-flight 16
              shop load --seconds 30 --failing 0 --json
            """) { count, seconds, inFlight, failing };
        load.Validators.Add(said =>
        {
            foreach (var address in CommandLine.Addresses)
            {
                if (!Uri.TryCreate(said.GetValue(address), UriKind.Absolute, out var at) || at.IsLoopback) continue;
                said.AddError($"{address.Name} must be on this machine, such as http://localhost:{at.Port}.");
            }
        });
        return load.Does(async call =>
        {
            var plan = new Plan(
                call.Of(count) ?? (call.Of(seconds) is null ? OrdersUsual : OrdersMax),
                TimeSpan.FromSeconds(call.Of(seconds) ?? SecondsMax), call.Of(inFlight)!.Value, call.Of(failing)!.Value);
            var goods = new Assortment();
            await goods.PutOnSaleAsync(call.Shop, call.Stop);
            var tally = new Tally();
            var customers = new Customers(call.Shop, goods, plan, tally).BuyAsync(call.Stop);
            if (!call.Json && AnsiConsole.Profile.Capabilities is { Ansi: true, Interactive: true }) await WatchAsync(customers, plan, tally);
            await customers;
            tally.Stop();
            if (call.Json) Console.WriteLine(JsonSerializer.Serialize(LoadPrint.Summary(tally), AsJson));
            else AnsiConsole.Write(LoadPrint.Whole(plan, tally));
            return call.Stop.IsCancellationRequested ? ExitCode.Interrupted : tally.IsAsItShouldBe ? ExitCode.Done : ExitCode.Refused;
        });
    }

    /// <summary>Shows how it goes until it is over.</summary>
    private static Task WatchAsync(Task customers, Plan plan, Tally tally) =>
        AnsiConsole.Live(LoadPrint.Whole(plan, tally)).AutoClear(true).StartAsync(async live =>
    {
        while (await Task.WhenAny(customers, Task.Delay(Glance)) != customers) live.UpdateTarget(LoadPrint.Whole(plan, tally));
    });

    private static Option<int?> Number(string name, int least, int most, string description) => new(name)
    {
        Description = $"{description} {least} to {most}.",
        Validators =
        {
            said =>
            {
                if (said.GetValueOrDefault<int?>() is { } number && (number < least || number > most))
                    said.AddError($"{name} must be {least} to {most}.");
            },
        },
    };
}
