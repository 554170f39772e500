using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Payments;

/// <summary>A user's account as it is stored.</summary>
/// <param name="Holdings">Won: the balance, what is charged for open orders, what is spent.</param>
internal sealed record Account(string UserId, Holdings Holdings, ImmutableArray<CompletedCommand> Commands, int ArchivedCommands = 0)
    : IHasHoldings<Account>, IHasCommandHistory<Account>
{
    public static string KeyOf(string userId) => $"account:{userId}";

    public string? FindProblem(string key) =>
        key != KeyOf(UserId) ? $"it is of user '{UserId}'" : Holdings.FindProblem() ?? CompletedCommand.FindProblem(Commands);

    public Account With(Holdings holdings) => this with { Holdings = holdings };

    public Account WithCommands(ImmutableArray<CompletedCommand> commands, int archived) => this with { Commands = commands, ArchivedCommands = archived };
}

[JsonSerializable(typeof(Account))]
internal sealed partial class PaymentJsonContext : JsonSerializerContext;
