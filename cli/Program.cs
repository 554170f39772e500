using System.CommandLine;
using Shop;

// The proxy of the environment is not for addresses of this machine.
Environment.SetEnvironmentVariable("no_proxy",
    $"{Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY")},localhost,127.0.0.1,[::1]");

Terminal.Initialize();
// An id may begin with @, which would be the name of a file with arguments.
var parsed = ShopCommand.Root().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
if (parsed.Errors.Count == 0 || parsed.Action is not System.CommandLine.Invocation.ParseErrorAction) return await ShopCommand.RunAsync(parsed);
Terminal.WriteError($"{ShopCommand.Describe(parsed.Errors)} See --help.");
return ExitCode.WrongUsage;
