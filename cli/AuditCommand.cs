using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop;

/// <summary>Reads everything and says whether it tells one story.</summary>
internal static class AuditCommand
{
    private static readonly JsonSerializerOptions AsJson = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static Command Command()
    {
        var deadline = new Option<int>("--deadline") { Description = "Seconds after which an order that is not confirmed fails, as the services are configured.", DefaultValueFactory = _ => 60 };
        return new Command("audit", """
            Read everything, and check that orders, stock, accounts and coupons tell one story; also while the shop is at work. What is not as
            it must be is read again, up to three times within some seconds, before it is called broken. Exits with 0 when all holds; with 1 when
            something is broken; with 4 when nothing is, but something is under way (an order was just confirmed, and a participant has not
            settled yet), and says until when; with 3 when a service does not answer, and the rest is right.

              shop audit
              shop audit --json | jq -r '.[] | "\(.state) \(.name)"'
            """) { deadline }.Does(async call =>
        {
            var invariants = await Rereading.AuditAsync(
                call.Shop, TimeSpan.FromSeconds(call.Of(deadline)), read => Console.Error.Write($"\r{read} orders read"), call.Stop);
            await Console.Error.WriteLineAsync();
            foreach (var absent in await Absence.OfAsync(call.Shop, invariants.SelectMany(one => one.NotLookedAt), call.Stop)) await Console.Error.WriteLineAsync(absent);
            if (call.Json) Console.WriteLine(JsonSerializer.Serialize(invariants, AsJson));
            else Print(invariants);
            return ExitCodeOf(invariants);
        });
    }

    public static int ExitCodeOf(IReadOnlyList<Invariant> invariants)
    {
        bool Any(InvariantState state) => invariants.Any(invariant => invariant.State == state);
        return Any(InvariantState.Broken) ? ExitCode.Refused
            : invariants.Any(invariant => invariant.NotLookedAt.Count > 0) ? ExitCode.Unreachable
            : Any(InvariantState.UnderWay) ? ExitCode.UnderWay
            : ExitCode.Done;
    }

    private static void Print(IReadOnlyList<Invariant> invariants)
    {
        foreach (var invariant in invariants)
        {
            var (mark, color) = invariant.State switch
            {
                InvariantState.Holds => ("holds    ", Color.Green),
                InvariantState.UnderWay => ("under way", Color.Yellow),
                InvariantState.Broken => ("BROKEN   ", Color.Red),
                InvariantState.NotLookedAt => ("not seen ", Color.Yellow),
            };
            var lacking = invariant.NotLookedAt.Count > 0 ? $" (without {string.Join(" and ", invariant.NotLookedAt)})" : "";
            AnsiConsole.Write(new Text(mark, color));
            AnsiConsole.WriteLine($" {invariant.Name}: {invariant.Sums}{lacking}");
            foreach (var one in invariant.Discrepancies) AnsiConsole.WriteLine($"            {one.What}");
        }
    }
}
