using System.CommandLine;
using Grpc.Core;
using Shop.V1;
using Spectre.Console;

namespace Shop;

/// <summary>Dead letters of all four services together.</summary>
internal static class DeadLetterCommands
{
    private static readonly Argument<string> Id = new("id") { Description = "As `shop dead-letters list` shows it." };

    public static Command Command() => new("dead-letters", "Events that a service could not handle.") { List(), Show(), Redrive(), Discard() };

    private static Command List() => new Command("list", "Those that wait for somebody to look at them, the oldest first.\n\n  shop dead-letters list").Does(async call =>
    {
        var waiting = await WaitingLetters.ReadAsync(call.Shop, call.Stop);
        foreach (var missing in waiting.Missing) await Console.Error.WriteLineAsync(missing);
        if (call.Json) Console.WriteLine($"[{string.Join(",\n", waiting.Letters.Select(Call.ToJson))}]");
        else Print(waiting);
        return waiting.Silent.Count > 0 ? ExitCode.Unreachable : ExitCode.Done;
    });

    private static Command Show() => new Command("show", "One of them, with what is in it.\n\n  shop dead-letters show 0123...") { Id }.Does(async call =>
    {
        var letter = (await OfWhoHasItAsync(call.Shop, service => service.GetDeadLetterAsync(new() { DeadLetterId = call.Of(Id) }, cancellationToken: call.Stop))).DeadLetter;
        call.Answer(letter, () => Print(letter));
        return ExitCode.Done;
    });

    private static Command Redrive()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing; say what would change." };
        return new Command("redrive", "Handle it now, in the service that could not. Exits with 1 when it fails again.\n\n  shop dead-letters redrive 0123... --dry-run") { Id, dryRun }.Does(async call =>
        {
            var request = new RedriveDeadLetterRequest { DeadLetterId = call.Of(Id), DryRun = call.Of(dryRun) };
            var redriven = await OfWhoHasItAsync(call.Shop, service => service.RedriveDeadLetterAsync(request, cancellationToken: call.Stop));
            call.Answer(redriven, () => Print(redriven, request.DryRun));
            return redriven.Failure.Length > 0 ? ExitCode.Refused : ExitCode.Done;
        });
    }

    private static Command Discard() => new Command("discard", "Put it aside for good. The saga does not need it.\n\n  shop dead-letters discard 0123...") { Id }.Does(async call =>
    {
        var letter = (await OfWhoHasItAsync(call.Shop, service => service.DiscardDeadLetterAsync(new() { DeadLetterId = call.Of(Id) }, cancellationToken: call.Stop))).DeadLetter;
        call.Answer(letter, () => Print(letter));
        return ExitCode.Done;
    });

    /// <summary>Asks each service in turn: the one that has it answers.</summary>
    /// <exception cref="RpcException">NOT_FOUND when none has it; what the one that has it refuses; or UNAVAILABLE: one that may have it does not answer.</exception>
    private static async Task<T> OfWhoHasItAsync<T>(ShopClients shop, Func<DeadLetterService.DeadLetterServiceClient, AsyncUnaryCall<T>> ask)
    {
        RpcException? none = null, silent = null;
        foreach (var service in shop.DeadLetters)
        {
            try
            {
                return await ask(service);
            }
            catch (RpcException fault) when (fault.StatusCode == StatusCode.NotFound)
            {
                none = fault;
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
            {
                silent = fault;
            }
        }
        throw silent ?? none!;
    }

    private static void Print(WaitingLetters waiting)
    {
        if (waiting.Letters.Count == 0)
        {
            AnsiConsole.MarkupLine(waiting.Silent.Count == 0 ? "[green]There are no dead letters.[/]" : "Of the services that answer there are no dead letters.");
            return;
        }
        var table = new Table().AddColumns("id", "service", "topic", "order", "dead since", "problem");
        foreach (var letter in waiting.Letters)
        {
            table.AddRow([.. new[] { letter.DeadLetterId, letter.AppId, letter.Topic, letter.OrderId, $"{letter.DeadTime.ToDateTime():u}", letter.Problem }.Select(text => new Text(text))]);
        }
        AnsiConsole.Write(table);
        if (waiting.More > 0) AnsiConsole.WriteLine($"{waiting.More} more wait.");
    }

    private static void Print(DeadLetter letter)
    {
        var grid = new Grid().AddColumns(2);
        void Row(string name, string value) => grid.AddRow(new Text(name, new(Color.Grey)), new Text(value));
        Row("id", letter.DeadLetterId);
        Row("service", letter.AppId);
        Row("state", letter.State.ToString().ToUpperInvariant());
        Row("topic", letter.Topic);
        Row("event", letter.EventId);
        Row("order", letter.OrderId);
        Row("trace", letter.TraceId);
        Row("said", letter.SaidTime is null ? "" : $"{letter.SaidTime.ToDateTime():u}");
        Row("dead since", $"{letter.DeadTime.ToDateTime():u}");
        Row("problem", letter.Problem);
        AnsiConsole.Write(grid);
        if (!letter.Data.IsEmpty) AnsiConsole.WriteLine(letter.Data.ToStringUtf8());
    }

    private static void Print(RedriveDeadLetterResponse redriven, bool dryRun)
    {
        foreach (var effect in redriven.Effects) AnsiConsole.MarkupLineInterpolated($"  {effect}");
        if (redriven.Failure.Length > 0) AnsiConsole.MarkupLineInterpolated($"[red]It {(dryRun ? "would fail" : "failed")} again: {redriven.Failure}[/]");
        else if (!dryRun) AnsiConsole.MarkupLineInterpolated($"[green]{redriven.DeadLetter.EventId} was handled by {redriven.DeadLetter.AppId}.[/]");
        else if (redriven.Effects.Count == 0) AnsiConsole.WriteLine("It would change nothing.");
    }
}
