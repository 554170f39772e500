using System.Collections.Immutable;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using Account = Payments.Account;

namespace Saga.Tests;

/// <summary>Commands of clients with idempotency keys, on an account.</summary>
public sealed class IdempotentCommandsTests
{
    private const string Prefix = "app||command:";

    private readonly World world = new(1);
    private readonly SimulatedStore store = new();

    [Fact]
    public void A_key_is_recognised_long_after_other_commands_have_followed()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        var first = Enumerable.Range(0, 100).Select(number => Run(() => DepositAsync(commands, $"key-{number}"))).ToArray();
        Assert.Equal(Enumerable.Range(1, 100).Select(number => (long)number), first.Select(response => response.Account.Balance));

        // The same process, whose cache is warm, and another one.
        foreach (var process in (IdempotentCommands[])[commands, NewProcess(world, store)])
        {
            var again = Enumerable.Range(0, 100).Reverse().Select(number => Run(() => DepositAsync(process, $"key-{number}"))).Reverse();
            Assert.Equal(first, again);
        }
        Assert.Equal(100, Kept.Holdings.Available);
        Assert.Equal(IdempotentCommands.MaxHistory, Kept.Commands.Length);
        // The command that opened the account had no key, and needs no record.
        Assert.Equal(100 - IdempotentCommands.MaxHistory, Kept.ArchivedCommands);
        Assert.Equal(Kept.ArchivedCommands, store.All<CompletedCommand>(Prefix).Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public void A_key_with_other_content_is_rejected(int commandsBetween)
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        Run(() => DepositAsync(commands, "key"));
        for (var number = 0; number < commandsBetween; number++) Run(() => DepositAsync(commands, $"key-{number}"));
        var rejected = Assert.Throws<RejectedException>(() => Run(() => DepositAsync(commands, "key", amount: 2)));
        Assert.Equal(StatusCode.AlreadyExists, rejected.StatusCode);
        Assert.Equal(1 + commandsBetween, Kept.Holdings.Available);
    }

    [Fact]
    public void Different_commands_have_keys_of_their_own()
    {
        var commands = NewProcess(world, store);
        Assert.Equal(0, Run(() => OpenAsync(commands, "key")).Account.Balance);
        Assert.Equal(1, Run(() => DepositAsync(commands, "key")).Account.Balance);
        Assert.Equal(0, Run(() => OpenAsync(commands, "key")).Account.Balance);
        Assert.Equal(1, Run(() => DepositAsync(commands, "key")).Account.Balance);
        Assert.Equal(1, Kept.Holdings.Available);
    }

    [Fact]
    public void A_key_of_a_client_may_look_like_anything()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        string[] keys = ["once:1", "||", "a b", "돈", "command:DepositRequest:x", $"{Guid.Empty}", .. Enumerable.Range(0, 30).Select(number => $"{number}")];
        foreach (var key in keys.Concat(keys)) Run(() => DepositAsync(commands, key));
        Assert.Equal(keys.Length, Kept.Holdings.Available);
    }

    [Fact]
    public void Commands_without_a_key_leave_no_record()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        for (var number = 0; number < 100; number++) Run(() => DepositAsync(commands, ""));
        Assert.Equal(100, Kept.Holdings.Available);
        Assert.Empty(store.All<CompletedCommand>(Prefix));
        Assert.Equal(0, Kept.ArchivedCommands);
    }

    [Fact]
    public void A_key_counts_as_new_once_its_record_has_expired()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        Run(() => DepositAsync(commands, "key"));
        for (var number = 0; number < IdempotentCommands.MaxHistory; number++) Run(() => DepositAsync(commands, $"key-{number}"));
        var before = Kept.Holdings.Available;
        foreach (var key in store.Versions.Keys.Where(key => key.StartsWith(Prefix, StringComparison.Ordinal))) store.Delete(key);
        Assert.Equal(before + 1, Run(() => DepositAsync(commands, "key")).Account.Balance);
    }

    [Fact]
    public void An_old_command_is_dropped_without_a_record()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        for (var number = 0; number < IdempotentCommands.MaxHistory; number++) Run(() => DepositAsync(commands, $"old-{number}"));
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + IdempotentCommands.Retention);
        for (var number = 0; number < IdempotentCommands.MaxHistory; number++) Run(() => DepositAsync(commands, $"new-{number}"));
        Assert.Empty(store.All<CompletedCommand>(Prefix));
        Assert.Equal(2 * IdempotentCommands.MaxHistory, Kept.Holdings.Available);
    }

    /// <summary>Operations fail before and after they took effect, and clients retry at one of three processes until they have an answer.</summary>
    [Fact]
    public void Every_key_is_executed_once_under_faults_and_concurrent_retries()
    {
        const int Keys = 60;
        for (var seed = 1; seed <= 40; seed++)
        {
            var (world, store) = (new World(seed), new SimulatedStore());
            var faults = SidecarFaults.None;
            IdempotentCommands[] processes = [.. Enumerable.Range(0, 3).Select(_ => NewProcess(world, store, () => faults))];
            world.Run(() => OpenAsync(processes[0], "open"));
            faults = new(Fails: 0.05, FailsAfter: 0.05, Pauses: 0.02);
            // Every key is sent twice at once, and 40 of them once more after all others.
            int[] sent = [.. Enumerable.Range(0, Keys), .. Enumerable.Range(0, Keys)];
            var balances = world.Run(() => Task.WhenAll(sent.Select(number => UntilAnsweredAsync(number))));
            var late = world.Run(() => Task.WhenAll(Enumerable.Range(0, 40).Select(number => UntilAnsweredAsync(number))));
            Assert.True(Keys == KeptIn(store).Holdings.Available, $"Seed {seed}: the balance is {KeptIn(store).Holdings.Available}.");
            Assert.Equal(balances[..Keys], balances[Keys..]);
            Assert.Equal(balances[..40], late);
            Assert.Equal(Enumerable.Range(1, Keys).Select(balance => (long)balance), balances[..Keys].Order());

            async Task<long> UntilAnsweredAsync(int number)
            {
                while (true)
                {
                    try
                    {
                        return (await DepositAsync(processes[world.Chance.Next(processes.Length)], $"key-{number}")).Account.Balance;
                    }
                    catch (Exception fault) when (fault is SidecarDownException or ContentionException)
                    {
                    }
                }
            }
        }
    }

    [Fact]
    public void The_same_key_of_two_callers_is_two_commands_also_after_both_were_moved()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        Caller[] callers = [new("mina", true, null), new("jun", true, null), Caller.Anyone];
        foreach (var caller in callers) Run(() => DepositAsync(commands, "key", caller: caller));
        Assert.Equal(3, Kept.Holdings.Available);
        for (var number = 0; number < IdempotentCommands.MaxHistory; number++) Run(() => DepositAsync(commands, $"later-{number}"));
        foreach (var caller in callers) Run(() => DepositAsync(commands, "key", caller: caller));
        Assert.Equal(3 + IdempotentCommands.MaxHistory, Kept.Holdings.Available);
    }

    [Fact]
    public void A_key_is_used_for_one_account_only_and_another_process_knows_that()
    {
        var commands = NewProcess(world, store);
        foreach (var user in (string[])["u", "v"]) Run(() => OpenAsync(commands, $"open {user}", user));
        Run(() => DepositAsync(commands, "key", user: "u"));
        foreach (var process in (IdempotentCommands[])[commands, NewProcess(world, store)])
        {
            Assert.Equal(1, Run(() => DepositAsync(process, "key", user: "u")).Account.Balance);
            var rejected = Assert.Throws<RejectedException>(() => Run(() => DepositAsync(process, "key", user: "v")));
            Assert.Equal(StatusCode.AlreadyExists, rejected.StatusCode);
        }
        Assert.Equal(0, KeptIn(store, "v").Holdings.Available);
        // Another key, and another command with the same key.
        Run(() => DepositAsync(commands, "another key", user: "v"));
        Run(() => OpenAsync(commands, "key", "w"));
        Assert.Equal(1, KeptIn(store, "v").Holdings.Available);
    }

    [Fact]
    public void A_key_that_was_first_used_for_a_rejected_command_is_remembered_from_the_command_that_was_executed()
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        Assert.Throws<RejectedException>(() => Run(() => OpenAsync(commands, "key")));
        world.Clock.AdvanceTo(world.Clock.GetUtcNow() + IdempotentCommands.Retention - TimeSpan.FromMinutes(1));
        store.Delete($"app||{Account.KeyOf("u")}");
        Run(() => OpenAsync(NewProcess(world, store), "key"));
        Assert.InRange(world.Clock.GetUtcNow() - Assert.Single(store.All<UsedKey>("app||used-key:")).At!.Value, TimeSpan.Zero, TimeSpan.FromMinutes(1));
    }

    [Theory]
    [InlineData("no base64!"), InlineData("////")]
    public void A_stored_response_that_cannot_be_read_is_corrupt_and_no_bug(string response)
    {
        var commands = NewProcess(world, store);
        Run(() => OpenAsync(commands, ""));
        Run(() => DepositAsync(commands, "key"));
        var changed = Kept with { Commands = [.. Kept.Commands.Select(command => command with { Response = response })] };
        store.Delete($"app||{Account.KeyOf("u")}");
        Assert.True(store.TryWrite($"app||{Account.KeyOf("u")}", changed, ""));
        Assert.Throws<CorruptDocumentException>(() => Run(() => DepositAsync(NewProcess(world, store), "key")));
    }

    [Fact]
    public void A_crash_between_the_key_and_the_command_leaves_a_key_that_the_same_command_can_use()
    {
        var faults = SidecarFaults.None;
        Run(() => OpenAsync(NewProcess(world, store), ""));
        var crashing = NewProcess(world, store, () => faults);
        Assert.ThrowsAny<global::Dapr.DaprException>(() => Run(() => DepositAsync(
            crashing, "key", beforeWrite: () => faults = new(Fails: 1, FailsAfter: 0, Pauses: 0))));
        Assert.Equal(0, Kept.Holdings.Available);
        Assert.Equal(1, Run(() => DepositAsync(NewProcess(world, store), "key")).Account.Balance);
    }

    [Fact]
    public void After_a_fault_behind_the_write_the_client_is_told_that_it_may_have_happened_and_the_same_key_repeats_nothing()
    {
        var faults = SidecarFaults.None;
        var commands = NewProcess(world, store, () => faults);
        using var interceptor = new ExceptionInterceptor(world.Clock, NullLogger<ExceptionInterceptor>.Instance);
        Run(() => OpenAsync(commands, ""));
        var failed = Assert.Throws<RpcException>(() => Run(() => CallAsync(() => DepositAsync(
            commands, "key", beforeWrite: () => faults = new(Fails: 0, FailsAfter: 1, Pauses: 0)))));
        Assert.Equal(StatusCode.Unavailable, failed.StatusCode);
        Assert.Contains("may have happened", failed.Status.Detail);
        Assert.Contains("same idempotency key", failed.Status.Detail);
        Assert.DoesNotContain("nothing is lost", failed.Status.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(1, Kept.Holdings.Available);

        faults = SidecarFaults.None;
        Assert.Equal(1, Run(() => CallAsync(() => DepositAsync(commands, "key"))).Account.Balance);
        Assert.Equal(1, Kept.Holdings.Available);

        Task<DepositResponse> CallAsync(Func<Task<DepositResponse>> deposit) => interceptor.UnaryServerHandler<DepositRequest, DepositResponse>(
            new(), new Call("/shop.v1.PaymentService/Deposit"), (_, _) => deposit());
    }

    private Account Kept => KeptIn(store);

    private static Account KeptIn(SimulatedStore store, string user = "u") => (Account)store.Read($"app||{Account.KeyOf(user)}").Value!;

    private T Run<T>(Func<Task<T>> work) => world.Run(work);

    private static Task<OpenAccountResponse> OpenAsync(IdempotentCommands commands, string key, string user = "u") => commands.RunAsync<Account, OpenAccountResponse>(
        Account.KeyOf(user), key, new OpenAccountRequest { UserId = user, IdempotencyKey = key }, Caller.Anyone,
        kept => kept is null ? Changed<OpenAccountResponse>(new(user, Holdings.Of(0), []), wire => new() { Account = wire }) : Rejection.AlreadyExists("account", user), default);

    private static Task<DepositResponse> DepositAsync(
        IdempotentCommands commands, string key, int amount = 1, Caller? caller = null, string user = "u", Action? beforeWrite = null) =>
        commands.RunAsync<Account, DepositResponse>(
            Account.KeyOf(user), key, new DepositRequest { UserId = user, Amount = amount, IdempotencyKey = key }, caller ?? Caller.Anyone,
            kept =>
            {
                beforeWrite?.Invoke();
                return Changed<DepositResponse>(kept!.With(kept.Holdings.Add(amount)), wire => new() { Account = wire });
            }, default);

    private static Outcome<Account, TResponse> Changed<TResponse>(Account account, Func<Shop.V1.Account, TResponse> answer) where TResponse : class, IMessage =>
        new(account, answer(new() { UserId = account.UserId, Balance = account.Holdings.Available }), null);

    private static IdempotentCommands NewProcess(World world, SimulatedStore store, Func<SidecarFaults>? faults = null)
    {
        var sidecar = new SimulatedSidecar(world, store, "app", null, faults ?? (() => SidecarFaults.None), () => false, _ => { });
        return new(new(sidecar, new ConflictBackoff(world.Clock, world.Chance)), world.Clock);
    }
}
