using System.CommandLine;
using System.Net.Sockets;
using Grpc.Core;

namespace Shop;

/// <summary>Options of all commands, and how errors become exit codes.</summary>
internal static class CommandLine
{
    /// <summary>After these a call may have had its effect.</summary>
    private static readonly StatusCode[] Uncertain =
    [
        StatusCode.Unavailable, StatusCode.DeadlineExceeded, StatusCode.Internal, StatusCode.Unknown, StatusCode.DataLoss, StatusCode.Cancelled,
        StatusCode.Aborted,
    ];

    public static readonly Option<bool> Json = new("--json") { Description = "Print results as JSON; what is watched, as JSON lines.", Recursive = true };

    public static readonly Option<string>[] Addresses =
    [
        Address("--orders", "Orders", 5001), Address("--stock", "Stock", 5002), Address("--payments", "Payments", 5003),
        Address("--coupons", "Coupons", 5004), .. AddedParticipants.Here.Select(one => one.Address),
    ];

    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(15);

    public static readonly Option<TimeSpan?> Timeout = CreateTimeout();

    /// <summary>Characters of a token, at most: with it a request must stay below the services' limit of headers.</summary>
    private const int TokenMax = 16 * 1024;

    /// <summary>The bearer token of the environment; not an option, which other users of the machine could read.</summary>
    private static string? Token => Environment.GetEnvironmentVariable("SHOP_TOKEN") is { Length: > 0 } token ? token.Trim() : null;

    /// <summary>The idempotency key of a command that changes something.</summary>
    public static Option<string> Key() => new Option<string>("--key")
    {
        Description = "Idempotency key: the same key with the same content is done once. Generated when it is not given.",
    }.NotEmpty();

    /// <summary>Refuses an empty value, such as that of a variable that is not set: the command would be run without the option.</summary>
    public static Option<string> NotEmpty(this Option<string> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: "" }]) result.AddError($"{option.Name} must not be empty; leave it out to run the command without it.");
        });
        return option;
    }

    /// <summary>Sets what the command does. An error of the shop becomes one line on standard error and an exit code.</summary>
    /// <param name="run">Returns the exit code.</param>
    public static Command SetHandler(this Command command, Func<CommandContext, Task<int>> run)
    {
        command.SetAction(async (parsed, ct) =>
        {
            if (Token is { } token && (token.Length > TokenMax || !token.All(letter => letter is > ' ' and <= '~')))
            {
                Terminal.WriteError($"SHOP_TOKEN must be a token: at most {TokenMax} visible ASCII characters.");
                return ExitCode.WrongUsage;
            }
            var addresses = Addresses.Select(address => parsed.GetValue(address)!).ToArray();
            var timeout = parsed.GetValue(Timeout) ?? DefaultTimeout;
            var added = AddedParticipants.Here.Select(one => one.Name).Zip(addresses[4..]);
            var context = new CommandContext(parsed, new(addresses[0], addresses[1], addresses[2], addresses[3], timeout, Token, added), ct);
            try
            {
                return await run(context);
            }
            catch (Exception) when (ct.IsCancellationRequested)
            {
                if (context.PossibleEffect.Length > 0) Terminal.WriteError(context.PossibleEffect);
                return ExitCode.Interrupted;
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded || IsNoGrpc(fault))
            {
                var unavailable = string.Join(' ', await UnavailableServices.DescribeAsync(context.Shop, CancellationToken.None));
                // A DebugException is an error of the connection, which adds nothing to the names of the unavailable services.
                var error = unavailable.Length > 0 && fault.Status.DebugException is not null ? ""
                    : fault.StatusCode == StatusCode.DeadlineExceeded
                        ? $"A call was not answered within {Durations.Format(timeout)} (--timeout)."
                        : RpcErrorText.Describe(fault);
                WriteError(error, unavailable, GetPossibleEffect(context, fault));
                return ExitCode.Unreachable;
            }
            catch (RpcException fault)
            {
                WriteError(RpcErrorText.Describe(fault), fault.StatusCode == StatusCode.Unauthenticated ? "./shop sends the token in SHOP_TOKEN." : "",
                    GetPossibleEffect(context, fault));
                return ExitCode.Refused;
            }
            catch (Exception unwritable) when (unwritable is IOException or UnauthorizedAccessException)
            {
                WriteError($"The output cannot be written: {unwritable.Message.TrimEnd('.')}.", context.PossibleEffect);
                return ExitCode.Refused;
            }
            catch (TimeoutException late)
            {
                Terminal.WriteError(late.Message);
                return ExitCode.Unreachable;
            }
        });
        return command;
    }

    /// <summary>What listens at the address speaks another protocol.</summary>
    private static bool IsNoGrpc(RpcException fault) => fault is { StatusCode: StatusCode.Internal, Status.DebugException: not null };

    /// <returns>Empty: the service has done nothing, for it refused the call, or never received it.</returns>
    private static string GetPossibleEffect(CommandContext context, RpcException fault)
    {
        var isSent = fault.Status.DebugException is not (SocketException
            or HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError });
        return isSent && Uncertain.Contains(fault.StatusCode) ? context.PossibleEffect : "";
    }

    private static void WriteError(params IEnumerable<string> sentences) => Terminal.WriteError(string.Join(' ', sentences.Where(text => text.Length > 0)));

    private static Option<TimeSpan?> CreateTimeout()
    {
        var timeout = Durations.Option("--timeout", DefaultTimeout, TimeSpan.FromHours(1), "How long a call to a service may take.");
        timeout.Recursive = true;
        return timeout;
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
