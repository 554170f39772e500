using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Xunit.Abstractions;

namespace Saga.Tests;

/// <summary>Puts a bug into the product, one at a time, and sees that the simulation finds it.</summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    private static readonly string Root = RootOf();

    /// <summary>That of this build: what a mutant references is built in it already.</summary>
    private static readonly string Configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));

    public static TheoryData<string, string, string, string, int> Mutants => new()
    {
        {
            "a refused reservation does not write the document once more", "saga/Participant.cs",
            "shared.With(shared.Holdings.Release(never.OrderId, line.Amount)) : shared, true)",
            "shared.With(shared.Holdings.Release(never.OrderId, line.Amount)) : null, true)", 10_000
        },
        {
            "the reservation is not checked after the document was read", "saga/Participant.cs",
            "if (reservation.Value is not null) return new(null, (null, true, 0));", "", 2_000
        },
        {
            "a delivery does not see that another has taken", "saga/Participant.cs",
            "switch (shared?.Holdings.MarkFor(orderId))", "switch (default(ReservationMark?))", 2_000
        },
        {
            "a refusal is forgotten", "saga/Participant.cs",
            "if (await TrySaveAsync(new(Reservation.KeyOf(orderId), null, \"\"), reservation, ct))",
            "if (refusal is not null || await TrySaveAsync(new(Reservation.KeyOf(orderId), null, \"\"), reservation, ct))", 2_000
        },
        {
            "an order-failed that comes first leaves no record", "saga/Participant.cs",
            "if (!await TrySaveAsync(record, never, ct)) continue;", "", 2_000
        },
        {
            "giving back does not trackOpenReservation at whether it was given back", "saga/Participant.cs",
            "if (shared.Holdings.MarkFor(orderId) == to) return new(null, reservation);", "", 2_000
        },
        {
            "what this process took is made final without a trackOpenReservation at the mark", "saga/Participant.cs",
            "shared?.Holdings.MarkFor(orderId) == ReservationMark.Reserved\n                ? new(shared.With(shared.Holdings.Settle",
            "shared is not null\n                ? new(shared.With(shared.Holdings.Settle", 2_000
        },
        {
            "marks are dropped before all who share a write have decided", "saga/DocumentStore.cs",
            "foreach (var update in batch)\n            {\n                if (update.Decide",
            "foreach (var update in batch)\n            {\n                if (document is not null && update.Prune is not null) document = update.Prune(document);\n                if (update.Decide", 5_000
        },
        {
            "a attempt compare-and-set is taken for a save", "saga/DocumentStore.cs",
            "if (await sidecar.TrySaveAsync(read, document!, timeToLive, default))\n",
            "await sidecar.TrySaveAsync(read, document!, timeToLive, default);\n", 1_000
        },
        {
            "a late success revives a failed order", "services/Orders/OrderDecisions.cs",
            "OrderStatus.Failed => new(done),",
            "OrderStatus.Failed => Order.Steps.All(other => done[other].State == StepState.Done) ? Confirm(done, at) : new(done),", 5_000
        },
        {
            "only the completed steps of order-failed are undone", "services/Stock/StockHandlers.cs",
            "var reservation = await participant.ReleaseAsync(",
            "if (!order.CompletedSteps.Contains(Step.Stock)) { await sidecar.PublishAsync(new(order.OrderId, new StockReleasedEvent { OrderId = order.OrderId }), ct); return; }\n        var reservation = await participant.ReleaseAsync(", 1_000
        },
        {
            "an order is stored before its id is in the open log", "services/Orders/PlaceOrderHandler.cs",
            "if (!noted) await openOrders.AddAsync(placed.Id, ct);\n            var order = await orders.PlaceAsync(placed, seenAbandoned, ct);",
            "var order = await orders.PlaceAsync(placed, seenAbandoned, ct);\n            if (!noted) await openOrders.AddAsync(placed.Id, ct);", 5_000
        },
        {
            "an id that an order has taken counts as unused", "services/Orders/OrderIdPool.cs",
            "unused.Remove(next.Id.ToString())", "unused.Contains(next.Id.ToString())", 5_000
        },
        {
            "an id is given away however long ago it was noted", "services/Orders/OrderIdPool.cs",
            "if (clock.GetElapsedTime(next.Noted) < FreshFor && unused.Remove(next.Id.ToString())) return next.Id;",
            "unused.Remove(next.Id.ToString()); return next.Id;", 5_000
        },
        {
            "nobody settles a hold whose order-confirmed was attempt", "saga/ReservationSweep.cs",
            "if (outcome == OrderOutcome.Confirmed) await participant.SettleAsync(orderId, ct);", "", 1_000
        },
        {
            "what is held is not looked after", "saga/Participant.cs",
            "refusal is null ? trackOpenReservation(orderId, ct) : Task.CompletedTask;", "Task.CompletedTask;", 1_000
        },
        {
            "order-failed is not said again", "services/Orders/OrderDecisions.cs",
            "OrderStatus.Failed when !order.IsClosed => quiet ? new(order, FinalEvent(order)) : new(order),", "", 1_000
        },
        {
            "what is decided is said before it is saved", "saga/Transition.cs",
            "var decision = decide(before);", "var decision = decide(before);\n            foreach (var said in decision.Events) _ = sidecar.PublishAsync(said, ct);", 5_000
        },
        {
            "an event is acknowledged before what was decided on it is said", "services/Orders/OrderStore.cs",
            "await transition.SayAsync(decision, ct);\n        return decision.State!;", "_ = transition.SayAsync(decision, ct);\n        return decision.State!;", 5_000
        },
        {
            "order-created is acknowledged before it is answered", "services/Stock/StockHandlers.cs",
            "await sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(", "_ = sidecar.PublishAsync(new(order.OrderId, StockDecisions.Answer(", 5_000
        },
        {
            "the open log drops an order before it is noted among the past ones", "saga/OpenOrderLog.cs",
            "if (ended.Count > 0) await callbacks.OnClosedAsync(ended, ct);\n        foreach (var sequence in over) await sidecar.DeleteAsync(OpenSegment.KeyOf(writer, sequence), ct);",
            "foreach (var sequence in over) await sidecar.DeleteAsync(OpenSegment.KeyOf(writer, sequence), ct);\n        if (ended.Count > 0) await callbacks.OnClosedAsync(ended, ct);", 2_000
        },
        {
            "silence is told by comparing two clocks", "saga/OpenOrderLog.cs",
            "if (clock.GetElapsedTime(heartbeats[other].SeenFirst) <= HeartbeatTimeout) continue;", "if (clock.GetUtcNow() - heartbeat.Value!.Heartbeat <= HeartbeatTimeout) continue;", 10_000
        },
        {
            "what a clock that was ahead has noted is waited for", "services/Orders/OrderDecisions.cs",
            "(Now - noted).Duration()", "Now - noted", 5_000
        },
    };

    [Fact]
    public async Task The_product_as_it_is_survives()
    {
        var (code, said) = await BuildAndRunAsync(null, null, 500);
        Assert.True(code == 0, said);
    }

    /// <param name="seeds">So many seeds must be enough to find it.</param>
    [Theory, MemberData(nameof(Mutants))]
    public Task A_bug_is_found(string bug, string file, string from, string to, int seeds) => MutateAsync(file, from, to, seeds, expected: 1, bug);

    private async Task MutateAsync(string file, string from, string to, int seeds, int expected, string bug)
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Root, file));
        Assert.True(text.Contains(from, StringComparison.Ordinal), $"{file} has changed: there is no\n{from}");
        var copy = Path.Combine(Directory.CreateTempSubdirectory("mutant-").FullName, Path.GetFileName(file));
        await File.WriteAllTextAsync(copy, text.Replace(from, to, StringComparison.Ordinal));
        try
        {
            var (code, said) = await BuildAndRunAsync(file, copy, seeds);
            output.WriteLine($"{bug}: {said}");
            Assert.True(code == expected, $"{bug}: {said}");
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }

    private static async Task<(int Code, string Said)> BuildAndRunAsync(string? replaced, string? replacement, int seeds)
    {
        var folder = Directory.CreateTempSubdirectory("mutant-").FullName;
        try
        {
            string[] replacing = replaced is null ? [] : [$"-p:Replaced={replaced}", $"-p:Replacement={replacement}"];
            var (built, log) = await RunAsync(["build", "tests/Mutants", "-c", Configuration, "--no-restore", "--no-dependencies", "-v", "q", "--nologo", $"-p:MutantFolder={folder}/", .. replacing]);
            Assert.True(built == 0, log);
            return await RunAsync([Path.Combine(folder, "Mutants.dll"), seeds.ToString(CultureInfo.InvariantCulture)]);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Code, string Said)> RunAsync(string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, said.Trim());
    }

    private static string RootOf([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../.."));
}
