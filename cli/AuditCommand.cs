using System.CommandLine;
using System.Text.Json;
using Shop.Audits;

namespace Shop;

/// <summary>Audits the running shop.</summary>
internal static class AuditCommand
{
    private static readonly JsonSerializerOptions AsJson = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    private static readonly TimeSpan OrderDeadline = TimeSpan.FromSeconds(60);

    public static Command Command()
    {
        var deadline = Durations.Option("--deadline", OrderDeadline, TimeSpan.FromHours(24),
            "After which an order that is not confirmed fails, as the services are configured.");
        return new Command("audit", """
            Check that orders, stock, accounts and coupons agree; also while orders are processed. A difference is read again, up to three
            times within some seconds, before it is reported as broken. Exits with 0 when all invariants hold; with 1 when one is broken; with 4
            when none is, but one is under way (an order was just confirmed, and a participant has not settled yet), and prints until when;
            with 3 when a service does not answer, and the rest is right.

              shop audit
              shop audit --json | jq -r '.[] | "\(.state) \(.name)"'
            """) { deadline }.SetHandler(async context =>
        {
            var isTerminal = !Console.IsErrorRedirected;
            var invariants = await AuditRunner.RunAsync(
                context.Shop, context.GetValue(deadline) ?? OrderDeadline,
                read =>
                {
                    if (isTerminal) Console.Error.Write($"\r{read} orders read");
                }, context.CancellationToken);
            if (isTerminal) await Console.Error.WriteLineAsync();
            foreach (var (service, problem) in invariants.SelectMany(one => one.NotChecked.Zip(one.Problems)).DistinctBy(one => one.First))
            {
                var unavailable = await UnavailableServices.DescribeAsync(context.Shop, [service], context.CancellationToken);
                Terminal.WriteError(unavailable.Count > 0 ? unavailable[0] : $"Not read: {problem}");
            }
            if (context.Json) Console.WriteLine(JsonSerializer.Serialize(invariants, AsJson));
            else Print(invariants);
            return GetExitCode(invariants);
        });
    }

    public static int GetExitCode(IReadOnlyList<Invariant> invariants)
    {
        bool Any(InvariantState state) => invariants.Any(invariant => invariant.State == state);
        return Any(InvariantState.Broken) ? ExitCode.Refused
            : invariants.Any(invariant => invariant.NotChecked.Count > 0) ? ExitCode.Unreachable
            : Any(InvariantState.UnderWay) ? ExitCode.UnderWay
            : ExitCode.Done;
    }

    private static void Print(IReadOnlyList<Invariant> invariants)
    {
        foreach (var invariant in invariants)
        {
            var (mark, color) = invariant.State switch
            {
                InvariantState.Holds => ("holds    ", "green"),
                InvariantState.UnderWay => ("under way", "yellow"),
                InvariantState.Broken => ("BROKEN   ", "red"),
                InvariantState.NotChecked => ("not seen ", "yellow"),
            };
            var missing = invariant.NotChecked.Count > 0 ? $" (without {string.Join(" and ", invariant.NotChecked)})" : "";
            Terminal.WriteLine($"[{color}]{mark}[/] {invariant.Name}: {invariant.Sums}{missing}");
            foreach (var one in invariant.Discrepancies) Terminal.WriteLine($"            {one.What}");
        }
    }
}
