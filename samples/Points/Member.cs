using System.Text.Json.Serialization;
using Saga.Reservations;

namespace Points;

/// <summary>A user with points, as it is stored.</summary>
/// <param name="Holdings">Points: available to be earned, pending, earned.</param>
internal sealed record Member(string UserId, Holdings Holdings) : IHasHoldings<Member>
{
    public static string KeyOf(string userId) => $"member:{userId}";

    public string? FindProblem(string key) => key != KeyOf(UserId) ? $"it is of user '{UserId}'" : Holdings.FindProblem();

    public Member With(Holdings holdings) => this with { Holdings = holdings };
}

[JsonSerializable(typeof(Member))]
internal sealed partial class PointsJsonContext : JsonSerializerContext;
