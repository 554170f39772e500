using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Shop.Doctor;
using Shop.Load;

namespace Shop;

/// <summary>All commands.</summary>
internal static class ShopCommand
{
    /// <summary>Characters of an error about arguments, at most: an argument can have 128 KiB.</summary>
    private const int ErrorMax = 500;

    public static RootCommand Root()
    {
        var root = new RootCommand("""
            The shop from the command line.

            Exit codes: 0 done; 1 refused, or a check failed (a watched order that FAILED, a broken audit, a redrive that failed again);
            2 wrong usage; 3 a service that the command needs cannot be reached; 4 nothing is wrong, but something is under way (an audit prints
            until when); 130 interrupted.
            """)
        {
            OrderCommands.Order(), OrderCommands.List(), OrderCommands.Explain(),
            ProductCommands.Product(), AccountCommands.Account(), CouponCommands.Coupon(),
            DeadLetterCommands.Command(), AuditCommand.Command(), DoctorCommand.Command(), LoadCommand.Command(),
            DemoCommands.Wait(), DemoCommands.Fill(), DemoCommands.Demo(), TokenCommand.Command(), CompletionCommand.Command(),
        };
        foreach (var address in CommandLine.Addresses) root.Add(address);
        root.Add(CommandLine.Json);
        root.Add(CommandLine.Timeout);
        CompletionCommand.CompleteAfterOptions(root);
        return root;
    }

    /// <summary>Runs a command.</summary>
    /// <returns>Its exit code.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        // An id may begin with @, which would be the name of a file with arguments.
        var parsed = Root().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0 && parsed.Action is ParseErrorAction)
        {
            Terminal.WriteError($"{Describe(parsed.Errors)} See --help.");
            return ExitCode.WrongUsage;
        }
        try
        {
            return await parsed.InvokeAsync(new() { EnableDefaultExceptionHandler = false });
        }
        catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
        {
            // Such as that of --help to a full disk.
            Terminal.WriteError($"The output cannot be written: {unwritable.Message}");
            return ExitCode.Refused;
        }
    }

    /// <summary>What is wrong with the arguments, on one line.</summary>
    public static string Describe(IEnumerable<ParseError> errors) => string.Join(' ', errors.Select(error => error.Message.ReplaceLineEndings(" "))
        .Select(message => message.Length <= ErrorMax ? message : $"{message.AsSpan(0, ErrorMax)}...").Distinct());
}
