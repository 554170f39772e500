using System.CommandLine;
using Shop;
using Spectre.Console;

if (Console.IsOutputRedirected)
{
    AnsiConsole.Profile.Width = 140;
    AnsiConsole.Profile.Capabilities.Ansi = false;
}

var root = new RootCommand("""
    The shop from the command line.

    Exit codes: 0 done; 1 refused, or not as it should be (an order watched that FAILED, a broken audit, a redrive that failed again);
    2 wrong usage; 3 the shop cannot be reached.
    """)
{
    OrderCommands.Order(), OrderCommands.List(), OrderCommands.Explain(),
    ProductCommands.Product(), AccountCommands.Account(), CouponCommands.Coupon(),
    DeadLetterCommands.Command(), AuditCommand.Command(),
    DemoCommands.Wait(), DemoCommands.Fill(), DemoCommands.Demo(), Completion.Command(),
};
foreach (var address in CommandLine.Addresses) root.Add(address);
root.Add(CommandLine.Json);

var parsed = root.Parse(args);
if (parsed.Errors.Count == 0 || parsed.Action is not System.CommandLine.Invocation.ParseErrorAction) return await parsed.InvokeAsync();
Console.Error.WriteLine($"{string.Join(' ', parsed.Errors.Select(error => error.Message.ReplaceLineEndings(" ")))} See --help.");
return ExitCode.WrongUsage;
