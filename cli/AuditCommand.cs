using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Shop;

/// <summary>Reads everything and says whether it tells one story.</summary>
internal static class AuditCommand
{
    public static Command Command()
    {
        var deadline = new Option<int>("--deadline") { Description = "Seconds after which an order that is not confirmed fails, as the services are configured.", DefaultValueFactory = _ => 60 };
        return new Command("audit", "Read everything, and check that orders, stock, accounts and coupons tell one story. Exits with 1 when they do not.\n\n  shop audit") { deadline }.Does(async call =>
        {
            var books = await Books.ReadAsync(call.Shop, read => Console.Error.Write($"\r{read} orders read"), call.Stop);
            await Console.Error.WriteLineAsync();
            var invariants = Audit.Of(books, TimeSpan.FromSeconds(call.Of(deadline)));
            if (call.Json) Console.WriteLine(JsonSerializer.Serialize(invariants, new JsonSerializerOptions(JsonSerializerDefaults.Web) { WriteIndented = true }));
            else Print(invariants);
            return invariants.All(invariant => invariant.Holds) ? ExitCode.Done : ExitCode.Refused;
        });
    }

    private static void Print(IReadOnlyList<Invariant> invariants)
    {
        foreach (var invariant in invariants)
        {
            AnsiConsole.MarkupLineInterpolated(invariant.Holds ? (FormattableString)$"[green]holds [/] {invariant.Name}: {invariant.Sums}" : $"[red]BROKEN[/] {invariant.Name}: {invariant.Sums}");
            foreach (var breach in invariant.Breaches) AnsiConsole.MarkupLineInterpolated($"         {breach}");
        }
    }
}
