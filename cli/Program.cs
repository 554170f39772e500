using Shop;
using Spectre.Console;

// The proxy of the environment is not for addresses of this machine.
Environment.SetEnvironmentVariable("no_proxy",
    $"{Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY")},localhost,127.0.0.1,[::1]");

if (Console.IsOutputRedirected)
{
    AnsiConsole.Profile.Width = 140;
    AnsiConsole.Profile.Capabilities.Ansi = false;
}

var parsed = ShopCommand.Root().Parse(args);
if (parsed.Errors.Count == 0 || parsed.Action is not System.CommandLine.Invocation.ParseErrorAction) return await parsed.InvokeAsync();
Console.Error.WriteLine($"{string.Join(' ', parsed.Errors.Select(error => error.Message.ReplaceLineEndings(" ")))} See --help.");
return ExitCode.WrongUsage;
