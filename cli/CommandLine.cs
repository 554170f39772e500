using System.CommandLine;
using Google.Protobuf;
using Grpc.Core;
using Spectre.Console;

namespace Shop;

/// <summary>What the exit code of a command means.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The shop refused, or something is not as it should be.</summary>
    public const int Refused = 1;

    public const int WrongUsage = 2;

    public const int Unreachable = 3;

    /// <summary>Nothing is wrong, but something has not come to its end yet.</summary>
    public const int UnderWay = 4;

    /// <summary>Ctrl-C.</summary>
    public const int Interrupted = 130;
}

/// <summary>One use of a command: what was typed, and the shop it is about.</summary>
internal sealed record Call(ParseResult Parsed, ShopClients Shop, CancellationToken Stop)
{
    // With every field, so that a script need not know which ones are left out when they are 0.
    private static readonly JsonFormatter Formatter = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    public bool Json => Parsed.GetValue(CommandLine.Json);

    public T Of<T>(Option<T> option) => Parsed.GetValue(option)!;

    public T Of<T>(Argument<T> argument) => Parsed.GetValue(argument)!;

    /// <summary>Prints an answer, as one line of JSON or for people.</summary>
    public void Answer(IMessage answer, Action print)
    {
        if (Json) Console.WriteLine(ToJson(answer));
        else print();
    }

    public static string ToJson(IMessage message) => Formatter.Format(message);
}

/// <summary>What all commands have in common: the shop's addresses, JSON, exit codes.</summary>
internal static class CommandLine
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print results as JSON; what is watched, as JSON lines.", Recursive = true };

    public static readonly Option<string>[] Addresses =
        [Address("--orders", "Orders", 5001), Address("--stock", "Stock", 5002), Address("--payments", "Payments", 5003), Address("--coupons", "Coupons", 5004)];

    /// <summary>For commands that change something.</summary>
    public static Option<string> Key() => new("--key") { Description = "Idempotency key: the same key with the same content is done once.", DefaultValueFactory = _ => "" };

    /// <summary>Runs the command against the shop. What the shop refuses is one line on standard error, and an exit code.</summary>
    public static Command Does(this Command command, Func<Call, Task<int>> run)
    {
        command.SetAction(async (parsed, stop) =>
        {
            var at = Addresses.Select(address => parsed.GetValue(address)!).ToArray();
            var shop = new ShopClients(at[0], at[1], at[2], at[3]);
            try
            {
                return await run(new(parsed, shop, stop));
            }
            catch (Exception) when (stop.IsCancellationRequested)
            {
                return ExitCode.Interrupted;
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
            {
                var absent = string.Join(' ', await Absence.OfAsync(shop, stop));
                // Nobody has said anything but the connection: who is absent says it all.
                await Console.Error.WriteLineAsync(absent.Length > 0 && fault.Status.DebugException is not null ? absent : $"{Refusal.Of(fault)} {absent}".TrimEnd());
                return ExitCode.Unreachable;
            }
            catch (RpcException fault)
            {
                await Console.Error.WriteLineAsync(Refusal.Of(fault));
                return ExitCode.Refused;
            }
            catch (TimeoutException late)
            {
                await Console.Error.WriteLineAsync(late.Message);
                return ExitCode.Unreachable;
            }
        });
        return command;
    }

    public static void Print(IEnumerable<string> columns, IEnumerable<IEnumerable<string>> rows)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns([.. columns]);
        foreach (var row in rows) table.AddRow(row.Select(text => new Text(text)));
        AnsiConsole.Write(table);
    }

    public static Option<string> Address(string name, string service, int port) => new(name)
    {
        Description = $"Address of {service}.",
        DefaultValueFactory = _ => $"http://localhost:{port}",
        Recursive = true,
        Validators =
        {
            said =>
            {
                if (!Uri.TryCreate(said.GetValueOrDefault<string>(), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                    said.AddError($"{name} must be an address such as http://localhost:{port}.");
            },
        },
    };
}
