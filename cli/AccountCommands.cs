using System.CommandLine;
using Shop.V1;

namespace Shop;

/// <summary>Accounts that orders are paid from.</summary>
internal static class AccountCommands
{
    private const long DepositMax = 1_000_000_000_000;

    private static readonly Argument<string> User = new("user") { Description = "Whose account." };

    public static Command Account() => new("account", "Open accounts, deposit, look at balances.") { Open(), Deposit(), Show(), List() };

    private static Command Open()
    {
        var deposit = Numbers.Option("--deposit", 0, DepositMax, 500_000, "Initial balance in won.");
        var key = CommandLine.Key();
        var open = new Command("open", "Open an account.\n\n  shop account open sora --deposit 500000") { User, deposit, key };
        open.Aliases.Add("put");
        return open.SetHandler(async context =>
        {
            var opened = await context.Shop.Payments.OpenAccountAsync(
                new()
                {
                    UserId = context.GetValue(User),
                    InitialDeposit = context.GetNumber(deposit),
                    IdempotencyKey = context.GetKey(key, "account may have been opened"),
                },
                cancellationToken: context.CancellationToken);
            context.Write(opened, () => Print(opened.Account));
            return ExitCode.Done;
        });
    }

    private static Command Deposit()
    {
        var won = Numbers.Argument("won", 1, DepositMax, 100_000, "Won.");
        var key = CommandLine.Key();
        return new Command("deposit", "Deposit money.\n\n  shop account deposit jun 100000") { User, won, key }.SetHandler(async context =>
        {
            var deposited = await context.Shop.Payments.DepositAsync(
                new()
                {
                    UserId = context.GetValue(User),
                    Amount = context.GetValue(won),
                    IdempotencyKey = context.GetKey(key, "money may have been deposited"),
                },
                cancellationToken: context.CancellationToken);
            context.Write(deposited, () => Print(deposited.Account));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One account.\n\n  shop account show mina") { User }.SetHandler(async context =>
    {
        var got = await context.Shop.Payments.GetAccountAsync(new() { UserId = context.GetValue(User) }, cancellationToken: context.CancellationToken);
        context.Write(got, () => Print(got.Account));
        return ExitCode.Done;
    });

    private static Command List() => new Command("list", "All accounts, by user.\n\n  shop account list").SetHandler(async context =>
    {
        var all = new ListAccountsResponse();
        var pages = Paging.ReadPagesAsync(
            token => context.Shop.Payments.ListAccountsAsync(new() { PageToken = token }, cancellationToken: context.CancellationToken),
            page => page.NextPageToken);
        await foreach (var page in pages)
        {
            all.Accounts.AddRange(page.Accounts);
            all.UnreadableUserIds.AddRange(page.UnreadableUserIds);
        }
        context.Write(all, () => Print([.. all.Accounts]));
        Terminal.WriteUnreadable("account", all.UnreadableUserIds);
        return ExitCode.Done;
    });

    private static void Print(params IEnumerable<Account> accounts) => Terminal.WriteTable(["user", "balance", "held", "spent", "deposited"],
        accounts.Select(a => (IReadOnlyList<Cell>)[a.UserId, $"{a.Balance:N0}", $"{a.Held:N0}", $"{a.Spent:N0}", $"{a.Deposited:N0}"]));
}
