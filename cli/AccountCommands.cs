using System.CommandLine;
using Shop.V1;

namespace Shop;

/// <summary>Accounts that orders are paid from.</summary>
internal static class AccountCommands
{
    private static readonly Argument<string> User = new("user") { Description = "Whose account." };

    public static Command Account() => new("account", "Open accounts, deposit, look at balances.") { Open(), Deposit(), Show(), List() };

    private static Command Open()
    {
        var deposit = new Option<long>("--deposit") { Description = "Won to begin with." };
        var key = CommandLine.Key();
        var open = new Command("open", "Open an account.\n\n  shop account open sora --deposit 500000") { User, deposit, key };
        open.Aliases.Add("put");
        return open.Does(async call =>
        {
            var opened = await call.Shop.Payments.OpenAccountAsync(new() { UserId = call.Of(User), InitialDeposit = call.Of(deposit), IdempotencyKey = call.Of(key) }, cancellationToken: call.Stop);
            call.Answer(opened, () => Print(opened.Account));
            return ExitCode.Done;
        });
    }

    private static Command Deposit()
    {
        var won = new Argument<long>("won") { Description = "Won, at least 1." };
        var key = CommandLine.Key();
        return new Command("deposit", "Deposit money.\n\n  shop account deposit jun 100000") { User, won, key }.Does(async call =>
        {
            var deposited = await call.Shop.Payments.DepositAsync(new() { UserId = call.Of(User), Amount = call.Of(won), IdempotencyKey = call.Of(key) }, cancellationToken: call.Stop);
            call.Answer(deposited, () => Print(deposited.Account));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One account.\n\n  shop account show mina") { User }.Does(async call =>
    {
        var got = await call.Shop.Payments.GetAccountAsync(new() { UserId = call.Of(User) }, cancellationToken: call.Stop);
        call.Answer(got, () => Print(got.Account));
        return ExitCode.Done;
    });

    private static Command List() => new Command("list", "All accounts, by user.\n\n  shop account list").Does(async call =>
    {
        var all = new ListAccountsResponse();
        await foreach (var page in Pages.OfAsync(token => call.Shop.Payments.ListAccountsAsync(new() { PageToken = token }, cancellationToken: call.Stop), page => page.NextPageToken)) all.Accounts.AddRange(page.Accounts);
        call.Answer(all, () => Print([.. all.Accounts]));
        return ExitCode.Done;
    });

    private static void Print(params IEnumerable<Account> accounts) => CommandLine.Print(["user", "balance", "held", "spent", "deposited"],
        accounts.Select(a => (IEnumerable<string>)[a.UserId, $"{a.Balance:N0}", $"{a.Held:N0}", $"{a.Spent:N0}", $"{a.Deposited:N0}"]));
}
