using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Coupons;

/// <summary>A user's coupon as it is stored: one use, available, held by an open order, or consumed.</summary>
/// <param name="AmountOff">Won. 0: the discount is a percentage.</param>
/// <param name="Percent">1 to 100. 0: the discount is an amount.</param>
/// <param name="MaxAmount">Cap of a percentage, in won. 0: no cap.</param>
internal sealed record Coupon(
    string Id, string UserId, long AmountOff, int Percent, long MaxAmount, DateTimeOffset ValidUntil,
    Holdings Holdings, ImmutableArray<CompletedCommand> Commands, int ArchivedCommands = 0) : IHasHoldings<Coupon>, IHasCommandHistory<Coupon>
{
    /// <summary>Won of a discount, at most.</summary>
    public const long AmountMax = 1_000_000_000;

    public static string KeyOf(string userCouponId) => $"coupon:{userCouponId}";

    public string? FindProblem(string key) =>
        key != KeyOf(Id) ? $"it is coupon '{Id}'"
        : !RequestCheck.IsId(UserId) ? $"it is of user '{UserId}'"
        : (Percent, AmountOff) is not (0, >= 1 and <= AmountMax) and not (>= 1 and <= 100, 0) || MaxAmount is < 0 or > AmountMax
            ? $"its discount is {AmountOff} won and {Percent} percent, at most {MaxAmount} won"
        : Holdings.FindProblem() ?? (Holdings.Total == 1 ? CompletedCommand.FindProblem(Commands) : $"it has {Holdings.Total} uses");

    public Coupon With(Holdings holdings) => this with { Holdings = holdings };

    public Coupon WithCommands(ImmutableArray<CompletedCommand> commands, int archived) => this with { Commands = commands, ArchivedCommands = archived };
}

[JsonSerializable(typeof(Coupon))]
internal sealed partial class CouponJsonContext : JsonSerializerContext;
