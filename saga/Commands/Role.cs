using Microsoft.AspNetCore.Authorization;

namespace Saga.Commands;

/// <summary>What a caller can be.</summary>
public static class Role
{
    /// <summary>Manages products, accounts and coupons, sees all orders, and handles dead letters.</summary>
    public const string Operator = "operator";

    /// <summary>A user, who sees and orders only for itself; an operator is one too.</summary>
    public const string User = "user";

    /// <summary>Followed by a Dapr app id: an app that calls through its sidecar for itself, not for a user.</summary>
    public const string App = "app:";

    /// <summary>Any app that calls through its sidecar for itself. The method decides which.</summary>
    public const string AnyApp = "app";

    internal const string ClaimType = "role";
}

/// <summary>The method can be called by these roles. A method without it can be called by operators.</summary>
public sealed class AllowAttribute : AuthorizeAttribute
{
    public AllowAttribute(params string[] roles) => Roles = string.Join(',', roles);
}
