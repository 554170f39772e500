using Grpc.Core;
using Shop.V1;
using Spectre.Console;

namespace Shop;

/// <summary>Dead letters of all four services together.</summary>
internal static class DeadLetterCommands
{
    public static async Task<IReadOnlyList<DeadLetter>> ListAsync(ShopClients shop, CancellationToken stop)
    {
        var listed = await Task.WhenAll(shop.DeadLetters.Select(service => service.ListDeadLettersAsync(new() { PageSize = 1000 }, cancellationToken: stop).ResponseAsync));
        return [.. listed.SelectMany(one => one.DeadLetters).OrderBy(letter => letter.DeadTime)];
    }

    /// <summary>Asks each service in turn: the one that has it answers.</summary>
    /// <exception cref="RpcException">NOT_FOUND when none has it; or what the one that has it refuses.</exception>
    public static async Task<T> OfWhoHasItAsync<T>(ShopClients shop, Func<DeadLetterService.DeadLetterServiceClient, AsyncUnaryCall<T>> ask)
    {
        for (var at = 0; ; at++)
        {
            try
            {
                return await ask(shop.DeadLetters[at]);
            }
            catch (RpcException none) when (none.StatusCode == StatusCode.NotFound && at + 1 < shop.DeadLetters.Count)
            {
            }
        }
    }

    public static void Print(IReadOnlyList<DeadLetter> letters)
    {
        if (letters.Count == 0)
        {
            AnsiConsole.MarkupLine("[green]There are no dead letters.[/]");
            return;
        }
        var table = new Table().AddColumns("id", "service", "topic", "order", "dead since", "problem");
        foreach (var letter in letters)
        {
            table.AddRow([.. new[] { letter.DeadLetterId, letter.AppId, letter.Topic, letter.OrderId, $"{letter.DeadTime.ToDateTime():u}", letter.Problem }.Select(text => new Text(text))]);
        }
        AnsiConsole.Write(table);
    }

    public static void Print(DeadLetter letter)
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

    public static void Print(RedriveDeadLetterResponse redriven, bool dryRun)
    {
        foreach (var effect in redriven.Effects) AnsiConsole.MarkupLineInterpolated($"  {effect}");
        if (redriven.Failure.Length > 0) AnsiConsole.MarkupLineInterpolated($"[red]It {(dryRun ? "would fail" : "failed")} again: {redriven.Failure}[/]");
        else if (!dryRun) AnsiConsole.MarkupLineInterpolated($"[green]{redriven.DeadLetter.EventId} was handled by {redriven.DeadLetter.AppId}.[/]");
        else if (redriven.Effects.Count == 0) AnsiConsole.WriteLine("It would change nothing.");
    }
}
