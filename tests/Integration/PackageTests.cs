using System.IO.Compression;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Shop;
using Shop.V1;

namespace Integration;

/// <summary>The participant of the package's readme, built outside of the solution from the packed file alone.</summary>
public sealed class PackagedParticipant : ShopWithParticipant
{
    public PackagedParticipant() : base("slots") =>
        (ParticipantEnvironment["Saga__Deadline"], ParticipantEnvironment["Saga__SweepPeriod"]) = ("15s", "200ms");

    /// <summary>The folder with the packed files.</summary>
    public string Packed => Path.Combine(Outside.FullName, "packed");

    private string Project => Path.Combine(Outside.FullName, "Slots");

    protected override async Task<string> BuildAsync()
    {
        await OutsideBuild.PackAsync(Configuration, Packed);
        Directory.CreateDirectory(Project);
        var readme = await File.ReadAllTextAsync(Path.Combine(Root, "saga/PACKAGE.md"));
        foreach (Match file in Regex.Matches(readme, @"^`([\w.]+)`.*?^```\w+\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline))
        {
            await File.WriteAllTextAsync(Path.Combine(Project, file.Groups[1].Value), file.Groups[2].Value);
        }
        OutsideBuild.WriteNuGetConfig(Project, Packed);
        await OutsideBuild.RunAsync("build", Project, "-c", "Release", "--nologo", "-v", "q", "-p:UseSharedCompilation=false");
        return Path.Combine(Project, "bin/Release/net10.0/Slots.dll");
    }
}

/// <summary>What the package promises, tried from outside: hold, settle, release, each once, in any order; sweep, dead letters, readiness.</summary>
public sealed class PackageTests(PackagedParticipant slots) : IClassFixture<PackagedParticipant>
{
    /// <summary>Done and undone, or not done when the order failed.</summary>
    private static readonly StepState[] NeverDone = [StepState.Undone, StepState.Skipped];

    private readonly string run = Guid.CreateVersion7().ToString("N")[^8..];

    private sealed record Day(long Free, long Held, long Kept);

    [Fact]
    public void The_package_has_its_readme_licence_documentation_contracts_and_symbols()
    {
        using var package = ZipFile.OpenRead(Path.Combine(slots.Packed, "DaprSaga.Participants.2.0.0-beta.1.nupkg"));
        Assert.Superset(
            new HashSet<string>
            {
                "README.md", "LICENSE", "protos/shop/v1/events.proto", "lib/net10.0/DaprSaga.Participants.dll", "lib/net10.0/DaprSaga.Participants.xml",
                "lib/net10.0/DaprSaga.Contracts.dll", "lib/net10.0/DaprSaga.Contracts.xml",
            },
            package.Entries.Select(entry => entry.FullName).ToHashSet());
        using var symbols = ZipFile.OpenRead(Path.Combine(slots.Packed, "DaprSaga.Participants.2.0.0-beta.1.snupkg"));
        Assert.Superset(
            new HashSet<string> { "lib/net10.0/DaprSaga.Participants.pdb", "lib/net10.0/DaprSaga.Contracts.pdb" },
            symbols.Entries.Select(entry => entry.FullName).ToHashSet());
        using var nuspec = new StreamReader(package.GetEntry("DaprSaga.Participants.nuspec")!.Open());
        var metadata = nuspec.ReadToEnd();
        Assert.Contains("<license type=\"expression\">MIT</license>", metadata);
        Assert.DoesNotContain("id=\"DaprSaga.Contracts\"", metadata);
        Assert.DoesNotContain("ApiAnalyzers", metadata);
    }

    [Fact]
    public async Task Orders_of_the_shop_hold_a_slot_and_keep_or_free_it()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        Assert.Equal(StepState.Done, await PlayAsync("success"));
        var after = before with { Free = before.Free - 1, Kept = before.Kept + 1 };
        await WaitForAsync(after);
        Assert.Contains(await PlayAsync("coupon refused"), NeverDone);
        await WaitForAsync(after);
    }

    [Fact]
    public async Task An_order_without_a_free_slot_fails_and_each_participant_undoes_it()
    {
        await slots.Http.PostAsync($"/slots?more={-(await ReadAsync()).Free}", null);
        var user = $"u-{run}";
        await slots.Clients.Stock.PutProductAsync(new() { ProductId = $"p-{run}", Name = "Lamp", Price = 1_000, InitialStock = 1 });
        await slots.Clients.Payments.OpenAccountAsync(new() { UserId = user, InitialDeposit = 1_000 });
        var placed = await slots.Clients.Orders.PlaceOrderAsync(new() { UserId = user, Items = { new OrderItem { ProductId = $"p-{run}", Quantity = 1 } } });
        Order? order = null;
        await Poll.UntilAsync(
            async () => (order = (await slots.Clients.Orders.GetOrderAsync(new() { Order = placed.Order.OrderId })).Order).IsClosed, () => $"{order}");
        Assert.Equal((OrderStatus.Failed, "NO_SLOT"), (order!.Status, order.Reason));
        Assert.All(order.Steps.Where(step => step.Step is Step.Stock or Step.Payment), step => Assert.Contains(step.State, NeverDone));
        Assert.Equal(StepState.Refused, order.Steps[^1].State);
        var explained = await slots.Clients.Orders.ExplainOrderAsync(new() { Order = order.OrderId });
        Assert.Contains(explained.Timeline, entry => entry.Event == "slots-failed");
        Assert.Contains(explained.Timeline, entry => entry.Event == "slots-compensated");
        Assert.Contains("SLOTS nothing to undo", order.Compensation);
    }

    [Fact]
    public async Task An_order_unknown_to_Orders_is_held_once_and_released_by_the_sweep()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        var order = Guid.CreateVersion7().ToString();
        for (var delivery = 0; delivery < 3; delivery++) await slots.PublishAsync("order-created", Created(order));
        await WaitForAsync(before with { Free = before.Free - 1, Held = before.Held + 1 });
        // Orders does not know it.
        await WaitForAsync(before);
    }

    [Fact]
    public async Task A_failed_order_leaves_a_tombstone()
    {
        await slots.Http.PostAsync("/slots?more=3", null);
        var before = await ReadAsync();
        var order = Guid.CreateVersion7().ToString();
        await slots.PublishAsync("order-failed", new { orderId = order, userId = "u", items = Items, totalAmount = "1000", finalAmount = "1000", reason = "CANCELLED" });
        await WaitForAnswerAsync("slots-compensated", order);
        await slots.PublishAsync("order-created", Created(order));
        Assert.Contains("ORDER_ALREADY_FAILED", await WaitForAnswerAsync("slots-failed", order));
        Assert.Equal(before, await ReadAsync());
    }

    [Fact]
    public async Task An_event_that_breaks_the_contract_is_a_dead_letter()
    {
        await slots.PublishAsync("order-created", new { orderId = $"NO-{run}" });
        var letters = new DeadLetterService.DeadLetterServiceClient(slots.Grpc);
        await Poll.UntilAsync(async () => (await letters.ListDeadLettersAsync(new())).DeadLetters
            .Any(letter => letter.AppId == "slots" && letter.Problem.Contains($"NO-{run}")), () => "There is no dead letter.");
    }

    private static object[] Items => [new { productId = "p", quantity = 1, unitPrice = "1000" }];

    private static object Created(string order) => new { orderId = order, userId = "u", items = Items, totalAmount = "1000", finalAmount = "1000" };

    /// <returns>The state of the step that only the configuration of Orders names.</returns>
    private async Task<StepState> PlayAsync(string scenario)
    {
        var played = await Scenario.All.Single(one => one.Name == scenario).PlayAsync(slots.Clients, run, default);
        Assert.All(played.Findings, finding => Assert.True(finding.Holds, $"{finding.What}: expected {finding.Expected}, seen {finding.Seen}"));
        var order = (await slots.Clients.Orders.GetOrderAsync(new() { Order = played.OrderNumber })).Order;
        return Assert.Single(order.Steps, step => step.Name == "slots").State;
    }

    private async Task<Day> ReadAsync() => (await slots.Http.GetFromJsonAsync<Day>("/slots"))!;

    private async Task WaitForAsync(Day expected)
    {
        Day? seen = null;
        await Poll.UntilAsync(async () => (seen = await ReadAsync()) == expected, () => $"{seen} instead of {expected}");
    }

    /// <returns>The event, as it is in the topic's stream.</returns>
    private async Task<string> WaitForAnswerAsync(string topic, string order)
    {
        string? answer = null;
        await Poll.UntilAsync(async () => (answer = await FindAsync()) is not null, () => $"No {topic} of {order}.");
        return answer!;

        async Task<string?> FindAsync() =>
            (await slots.Redis.KeyExistsAsync(topic) ? await slots.ReadRedisAsync(topic) : "").Split('\n').FirstOrDefault(e => e.Contains(order));
    }
}
