using System.Text.Json.Serialization;
using Shop.V1;

namespace Saga.Tests;

/// <summary>The state of a fourth participant, which has no events of its own: points of a user, as in samples/Points but soon too many.</summary>
internal sealed record Member(string UserId, Holdings Holdings) : IHasHoldings<Member>
{
    /// <summary>The step of the participant.</summary>
    public const string App = "points";

    /// <summary>Points of one user, at most. An order earns 5 to 115.</summary>
    public const long PointsMax = 120;

    public static readonly StepDecisions<Member> Decisions = new(
        order => order.FinalAmount >= 100 ? [new(order.UserId, PointsOf(order.FinalAmount))] : [],
        (member, line) => member!.Holdings.Available < line.Amount ? new("TOO_MANY_POINTS", "There are too many.") : null,
        userId => new(userId, Holdings.Of(PointsMax)));

    public static string KeyOf(string userId) => $"member:{userId}";

    /// <param name="amount">Won.</param>
    public static long PointsOf(long amount) => amount / 100;

    public string? FindProblem(string key) => key != KeyOf(UserId) ? $"it is of user '{UserId}'" : Holdings.FindProblem();

    public Member With(Holdings holdings) => this with { Holdings = holdings };
}

[JsonSerializable(typeof(Member))]
internal sealed partial class MemberJsonContext : JsonSerializerContext;
