using System.CommandLine;
using Grpc.Core;
using Spectre.Console;

namespace Shop;

/// <summary>Options of all commands, and how errors become exit codes.</summary>
internal static class CommandLine
{
    public static readonly Option<bool> Json = new("--json") { Description = "Print results as JSON; what is watched, as JSON lines.", Recursive = true };

    public static readonly Option<string>[] Addresses =
    [
        Address("--orders", "Orders", 5001), Address("--stock", "Stock", 5002), Address("--payments", "Payments", 5003),
        Address("--coupons", "Coupons", 5004),
    ];

    /// <summary>The idempotency key of a command that changes something.</summary>
    public static Option<string> Key() => new("--key")
    {
        Description = "Idempotency key: the same key with the same content is done once.",
        DefaultValueFactory = _ => "",
    };

    /// <summary>Sets what the command does. An error of the shop becomes one line on standard error and an exit code.</summary>
    /// <param name="run">Returns the exit code.</param>
    public static Command SetHandler(this Command command, Func<CommandContext, Task<int>> run)
    {
        command.SetAction(async (parsed, ct) =>
        {
            var addresses = Addresses.Select(address => parsed.GetValue(address)!).ToArray();
            var shop = new ShopClients(addresses[0], addresses[1], addresses[2], addresses[3]);
            try
            {
                return await run(new(parsed, shop, ct));
            }
            catch (Exception) when (ct.IsCancellationRequested)
            {
                return ExitCode.Interrupted;
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
            {
                var unavailable = string.Join(' ', await UnavailableServices.DescribeAsync(shop, ct));
                // A DebugException is an error of the connection, which adds nothing to the names of the unavailable services.
                await Console.Error.WriteLineAsync(unavailable.Length > 0 && fault.Status.DebugException is not null
                    ? unavailable
                    : $"{RpcErrorText.Describe(fault)} {unavailable}".TrimEnd());
                return ExitCode.Unreachable;
            }
            catch (RpcException fault)
            {
                await Console.Error.WriteLineAsync(RpcErrorText.Describe(fault));
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

    /// <summary>Prints a table.</summary>
    public static void Print(IEnumerable<string> columns, IEnumerable<IEnumerable<string>> rows)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns([.. columns]);
        foreach (var row in rows) table.AddRow(row.Select(text => new Text(text)));
        AnsiConsole.Write(table);
    }

    /// <summary>An option for an http or https address, by default http://localhost:<paramref name="port"/>.</summary>
    public static Option<string> Address(string name, string service, int port) => new(name)
    {
        Description = $"Address of {service}.",
        DefaultValueFactory = _ => $"http://localhost:{port}",
        Recursive = true,
        Validators =
        {
            result =>
            {
                if (!Uri.TryCreate(result.GetValueOrDefault<string>(), UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
                    result.AddError($"{name} must be an address such as http://localhost:{port}.");
            },
        },
    };
}
