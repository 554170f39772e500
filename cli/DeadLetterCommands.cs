using System.CommandLine;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>Dead letters of all services together.</summary>
internal static class DeadLetterCommands
{
    private static readonly Argument<string> Id = new("id") { Description = "As `shop dead-letters list` shows it." };

    public static Command Command() => new("dead-letters", "Events that a service could not handle.") { List(), Show(), Redrive(), Discard() };

    private static Command List() => new Command("list", "The list dead letters, oldest first.\n\n  shop dead-letters list").SetHandler(async context =>
    {
        var list = await DeadLetterList.ReadAsync(context.Shop, context.CancellationToken);
        foreach (var missing in list.Missing) Terminal.WriteError(missing);
        if (context.Json) Console.WriteLine($"[{string.Join(",\n", list.Letters.Select(CommandContext.ToJson))}]");
        else Print(list);
        return list.Unreachable.Count > 0 ? ExitCode.Unreachable : ExitCode.Done;
    });

    private static Command Show() => new Command("show", "One of them, with what is in it.\n\n  shop dead-letters show 0123...")
        { Id }.SetHandler(async context =>
    {
        var request = new GetDeadLetterRequest { DeadLetterId = context.GetValue(Id) };
        var got = await CallOwnerAsync(context.Shop, service => service.GetDeadLetterAsync(request, cancellationToken: context.CancellationToken));
        var letter = got.DeadLetter;
        context.Write(letter, () => Print(letter));
        return ExitCode.Done;
    });

    private static Command Redrive()
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing; print what would change." };
        return new Command("redrive", "Handle it now, in its service. Exits with 1 when it fails again.\n\n  shop dead-letters redrive 0123... --dry-run")
            { Id, dryRun }.SetHandler(async context =>
        {
            var request = new RedriveDeadLetterRequest { DeadLetterId = context.GetValue(Id), DryRun = context.GetValue(dryRun) };
            if (!request.DryRun)
            {
                context.PossibleEffect = $"It may have been handled; ./shop dead-letters show {request.DeadLetterId} says whether it was.";
            }
            var redriven = await CallOwnerAsync(context.Shop, service => service.RedriveDeadLetterAsync(request, cancellationToken: context.CancellationToken));
            context.Write(redriven, () => Print(redriven, request.DryRun));
            return redriven.Failure.Length > 0 ? ExitCode.Refused : ExitCode.Done;
        });
    }

    private static Command Discard() => new Command("discard", "Discard it for good. The saga does not need it.\n\n  shop dead-letters discard 0123...")
        { Id }.SetHandler(async context =>
    {
        var request = new DiscardDeadLetterRequest { DeadLetterId = context.GetValue(Id) };
        context.PossibleEffect = $"It may have been discarded; ./shop dead-letters show {request.DeadLetterId} says whether it was.";
        var discarded = await CallOwnerAsync(
            context.Shop, service => service.DiscardDeadLetterAsync(request, cancellationToken: context.CancellationToken));
        var letter = discarded.DeadLetter;
        context.Write(letter, () => Print(letter));
        return ExitCode.Done;
    });

    /// <summary>Calls each service in turn until one has the dead letter.</summary>
    /// <exception cref="RpcException">
    /// The error of the service that has it; NOT_FOUND when none has it; UNAVAILABLE when one that may have it does not answer.
    /// </exception>
    private static async Task<T> CallOwnerAsync<T>(ShopClients shop, Func<DeadLetterService.DeadLetterServiceClient, AsyncUnaryCall<T>> call)
    {
        RpcException? notFound = null, unreachable = null;
        foreach (var service in shop.DeadLetters)
        {
            try
            {
                return await call(service);
            }
            catch (RpcException fault) when (fault.StatusCode == StatusCode.NotFound)
            {
                notFound = fault;
            }
            catch (RpcException fault) when (fault.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
            {
                unreachable = fault;
            }
        }
        throw unreachable ?? notFound!;
    }

    private static void Print(DeadLetterList list)
    {
        if (list.Letters.Count == 0)
        {
            Terminal.WriteLine(list.Unreachable.Count == 0
                ? (FormattableString)$"[green]There are no dead letters.[/]"
                : $"Of the services that answer there are no dead letters.");
            return;
        }
        Terminal.WriteTable(["id", "service", "topic", "order", "dead since", "problem"], list.Letters.Select(letter => (IReadOnlyList<Cell>)
            [letter.DeadLetterId, letter.AppId, letter.Topic, letter.OrderId, $"{letter.DeadLetteredTime.ToDateTime():u}", letter.Problem]), "problem");
        if (list.More > 0) Terminal.WriteLine($"{list.More} more wait.");
    }

    private static void Print(DeadLetter letter)
    {
        List<(string, Cell)> fields = [];
        void Row(string name, string value) => fields.Add((name, value));
        Row("id", letter.DeadLetterId);
        Row("service", letter.AppId);
        Row("state", letter.State.ToString().ToUpperInvariant());
        Row("topic", letter.Topic);
        Row("event", letter.EventId);
        Row("order", letter.OrderId);
        Row("trace", letter.TraceId);
        Row("published", letter.PublishedTime is null ? "" : $"{letter.PublishedTime.ToDateTime():u}");
        Row("dead since", $"{letter.DeadLetteredTime.ToDateTime():u}");
        Row("problem", letter.Problem);
        Terminal.WriteFields(fields);
        if (!letter.Data.IsEmpty) Terminal.WriteLine($"{letter.Data.ToStringUtf8()}");
    }

    private static void Print(RedriveDeadLetterResponse redriven, bool dryRun)
    {
        foreach (var effect in redriven.Effects) Terminal.WriteLine($"  {effect}");
        if (redriven.Failure.Length > 0) Terminal.WriteLine($"[red]It {(dryRun ? "would fail" : "failed")} again: {redriven.Failure}[/]");
        else if (!dryRun) Terminal.WriteLine($"[green]{redriven.DeadLetter.EventId} was handled by {redriven.DeadLetter.AppId}.[/]");
        else if (redriven.Effects.Count == 0) Terminal.WriteLine($"It would change nothing.");
    }
}
