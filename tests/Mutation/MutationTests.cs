using Xunit.Abstractions;

namespace Saga.Tests;

/// <summary>Mutation tests: each puts one bug into the product, which the interleavings or the simulation must find.</summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    private const string Mark = " // mutant: ";

    private static readonly string[] Sources =
        [.. ((string[])["saga", "services"])
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Mutant.Root, folder), "*.cs", SearchOption.AllDirectories))];

    /// <summary>
    /// The mutants, by the mark "// mutant: name" at the end of a line of the product. Lines: what each marked line becomes, in order; {line} is the
    /// line itself, {other} the other marked line. Seeds: must be enough to find it.
    /// </summary>
    public static TheoryData<string, string, string[], int> Mutants => new()
    {
        { "archive-not-checked", "a delivery does not see that the order is archived", [""], 10_000 },
        { "mark-not-checked", "a delivery does not see that another has reserved the line",
            ["if (shared?.Holdings.MarkFor(orderId) is { } mark) shared = shared.With(shared.Holdings with { Marks = shared.Holdings.Marks.Remove(orderId) });"], 2_000 },
        { "rejection-not-marked", "a rejection is not marked in the document", ["return new(reason is null ? shared.With(next) : null, (next.MarkFor(orderId), null));"], 10_000 },
        { "lines-not-released", "a rejected order keeps the lines that it held", ["for (var at = rejection is null ? 0 : lines.Length; at < lines.Length; at++)"], 2_000 },
        { "no-tombstone", "an order-failed that comes first leaves no tombstone", [""], 2_000 },
        { "missing-line-cancels", "a rejection without a document releases what another delivery has reserved meanwhile", [""], 500 },
        { "missing-line-not-cancelled", "a document that is created while its line is cancelled keeps what is reserved meanwhile", [""], 500 },
        { "moved-twice", "a release does not check whether the line was released",
            ["if (mark is { State: MarkState.Reserved or MarkState.Released }) next = next!.Release(orderId, mark.Amount);"], 2_000 },
        { "settled-without-a-mark", "an order without a mark is settled", ["var mark = shared?.Holdings.MarkFor(orderId) ?? new(MarkState.Reserved, line.Amount);"], 2_000 },
        { "pruned-before-archived", "marks are pruned before the reservation is archived",
            ["foreach (var line in final.Lines) archivedMarks.Add(keyOf(line.ResourceId), final.OrderId); {line}"], 10_000 },
        { "not-tracked", "an open reservation is not tracked", ["var tracked = Task.CompletedTask;"], 1_000 },
        { "pruned-before-all-decided", "marks are pruned before all updates of the batch have decided",
            ["if (document is not null && update.Prune is not null) document = update.Prune(document); {line}"], 5_000 },
        { "guard-not-read-again", "after a conflict the guard is older than the document",
            [
                "Task<Versioned<TGuard>>? first = null; {line}",
                "var guard = request.GuardKey is null ? default : await (first ??= sidecar.ReadAsync<TGuard>(request.GuardKey, ct));",
            ], 10_000 },
        { "conflict-ignored", "a conflict is taken for a save", ["else if (await sidecar.TrySaveAsync(read, update.Next, update.TimeToLive, ct) | true) return update.Result;"], 1_000 },
        { "late-success-revives", "a late success revives a failed order",
            ["OrderStatus.Failed => done.Steps.All(step => step.State == StepState.Done) ? Confirm(done, at) : new(done),"], 5_000 },
        { "only-completed-steps-released", "only the completed steps of order-failed are released",
            [
                "if (!order.CompletedSteps.Contains(Shop.V1.Step.Stock)) "
                + "{ await sidecar.PublishAsync(new(order.OrderId, new StockReleasedEvent { OrderId = order.OrderId }), ct); return; } {line}",
            ], 1_000 },
        { "stored-before-tracked", "an order is stored before its id is tracked", ["{other}", "{other}"], 5_000 },
        { "sweep-does-not-settle", "the sweep does not settle a reservation whose order-confirmed was lost", [""], 1_000 },
        { "order-failed-not-resent", "order-failed is not resent", ["OrderStatus.Failed when !order.IsClosed => new(order),"], 1_000 },
        { "published-before-saved", "events are published before the decision is saved",
            ["{line} foreach (var e in decided.Events) _ = sidecar.PublishAsync(e, ct);"], 5_000 },
        { "acknowledged-before-published", "an event is acknowledged before the events of its decision are published",
            ["_ = PublishAsync(decision, ct);"], 5_000 },
        { "acknowledged-before-answered", "order-created is acknowledged before it is answered",
            ["_ = sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(reservation)), ct);"], 5_000 },
        { "orchestration-not-continued", "an orchestrated order is not continued after a crash", ["var isDue = due.Events.Count > 0;"], 1_000 },
        { "unanswered-call-not-released", "an orchestrated order that fails takes a participant that has not answered for one that holds nothing",
            [
                "order = order[step]!.State != StepState.Waiting ? await ReleaseAsync(order, step, ct) ?? order "
                + ": await orders.RecordAsync(order.Id, (stored, at) => OrderDecisions.StepCompensated(stored, step, false, at), ct);",
            ], 2_000 },
        { "orchestrated-order-published", "order-created of an orchestrated order is published", ["[new(order.Id, ToCreatedEvent(order))];"], 1_000 },
        { "dropped-before-history", "the open-order log drops an order before the history has it", ["{other}", "{other}"], 2_000 },
        { "clocks-compared", "a heartbeat timeout is measured by comparing two clocks",
            ["var isAlive = clock.GetUtcNow() - heartbeat.Value!.Heartbeat <= HeartbeatTimeout;"], 10_000 },
        { "future-timestamp-waited-for", "a timestamp in the future is waited for",
            ["public TimeSpan GetAge(DateTimeOffset timestamp) => Now - timestamp;"], 5_000 },
    };

    [Fact]
    public void Every_mark_in_the_product_has_a_mutant() => Assert.Equal(
        Mutants.Select(mutant => (string)mutant[0]).Order(StringComparer.Ordinal),
        Sources.SelectMany(File.ReadLines).Select(GetMutantName).OfType<string>().Distinct().Order(StringComparer.Ordinal));

    [Fact]
    public void The_unmutated_product_survives() => Assert.Null(Mutant.Search(null, "", 500));

    /// <param name="seeds">Must be enough to find it.</param>
    [Theory, MemberData(nameof(Mutants))]
    public void A_mutant_is_found(string mark, string bug, string[] lines, int seeds)
    {
        var file = Assert.Single(Sources, source => File.ReadLines(source).Any(line => GetMutantName(line) == mark));
        var text = File.ReadAllLines(file);
        var marked = Enumerable.Range(0, text.Length).Where(at => GetMutantName(text[at]) == mark).ToArray();
        Assert.Equal(lines.Length, marked.Length);
        var original = marked.Select(at => text[at][..text[at].IndexOf(Mark, StringComparison.Ordinal)]).ToArray();
        for (var at = 0; at < marked.Length; at++) text[marked[at]] = lines[at].Replace("{line}", original[at]).Replace("{other}", original[^(at + 1)]);
        var found = Mutant.Search(file, string.Join('\n', text), seeds);
        output.WriteLine($"{bug}: {found}");
        Assert.True(found is not null, $"{seeds} seeds did not show that {bug}.");
    }

    /// <summary>Null: the line has no mark.</summary>
    private static string? GetMutantName(string line) => line.IndexOf(Mark, StringComparison.Ordinal) is var at and >= 0 ? line[(at + Mark.Length)..] : null;
}
