using System.Security.Claims;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Saga.Dapr;

namespace Saga.Commands;

/// <summary>Who calls a method, as the authentication of the request has found out.</summary>
/// <param name="UserId">The user's id. Null: callers are not authenticated, or the caller is an app.</param>
/// <param name="IsOperator">Sees what belongs to any user, and may act for any.</param>
/// <param name="AppId">The Dapr app id of an app that calls through its sidecar for itself, not for a user. Null: it is none.</param>
public sealed record Caller(string? UserId, bool IsOperator, string? AppId)
{
    /// <summary>Every client, when callers are not authenticated.</summary>
    internal static readonly Caller Anyone = new(null, IsOperator: true, null);

    /// <exception cref="InvalidOperationException">The method can be called without authentication.</exception>
    public static Caller Of(ServerCallContext context) => Of(context.GetHttpContext().User);

    /// <inheritdoc cref="Of(ServerCallContext)"/>
    public static Caller Of(ClaimsPrincipal principal) => (principal.Identity as CallerIdentity)?.Caller
        ?? throw new InvalidOperationException("The caller is not authenticated; the method must not be anonymous.");

    /// <summary>True: the caller is an operator or an app, and may see the documents of any user.</summary>
    internal static bool MaySeeDocuments(ClaimsPrincipal principal) => principal.Identity is CallerIdentity { Caller: { IsOperator: true } or { AppId: not null } };

    /// <summary>True: the caller is this user, an operator or an app.</summary>
    public bool MaySee(string userId) => IsOperator || AppId is not null || UserId == userId;

    /// <param name="field">The name of the field in the request.</param>
    /// <exception cref="RejectedException">PERMISSION_DENIED: the caller is another user.</exception>
    public void MustBe(string field, string userId)
    {
        if (IsOperator || UserId == userId) return;
        throw new RejectedException(new(StatusCode.PermissionDenied, Shortened.To(250,
            $"{field}: you are '{UserId}', and only an operator may do this for '{userId}'.")));
    }

    /// <summary>The same idempotency key of two callers is two keys.</summary>
    public string Scope(string idempotencyKey) => UserId is null ? idempotencyKey : $"{UserId}\n{idempotencyKey}";

    /// <summary>The roles of the caller: see <see cref="Role"/>.</summary>
    internal ClaimsPrincipal ToPrincipal(string scheme) => new(new CallerIdentity(this, scheme));

    private sealed class CallerIdentity(Caller caller, string scheme) : ClaimsIdentity(GetRoles(caller), scheme, "sub", Role.ClaimType)
    {
        public Caller Caller { get; } = caller;

        private static IEnumerable<Claim> GetRoles(Caller caller)
        {
            if (caller.AppId is not null)
            {
                yield return new(Role.ClaimType, Role.App + caller.AppId);
                yield return new(Role.ClaimType, Role.AnyApp);
            }
            else yield return new(Role.ClaimType, Role.User);
            if (caller.IsOperator) yield return new(Role.ClaimType, Role.Operator);
        }
    }
}
