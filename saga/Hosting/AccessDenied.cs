using System.Globalization;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;
using Saga.Commands;
using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.Hosting;

/// <summary>
/// Answers a call that is not allowed: over gRPC UNAUTHENTICATED or PERMISSION_DENIED, over HTTP 401 or 403 with problem details. When the keys of the
/// issuer cannot be read, the token cannot be validated yet: UNAVAILABLE.
/// </summary>
internal sealed class AccessDenied(TimeProvider clock, ILogger<AccessDenied> log) : IAuthorizationMiddlewareResultHandler, IDisposable
{
    private readonly FaultLog faults = new("Authentications", clock, log, overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    public async Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded)
        {
            await next(context);
            return;
        }
        var rejection = authorizeResult.Challenged
            ? ToRejection((await context.AuthenticateAsync()).Failure, context.Request.Path)
            : new(StatusCode.PermissionDenied, $"{Describe(Caller.Of(context.User))} may not do this.");
        if (context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true)
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = ((int)rejection.Code).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["grpc-message"] = Uri.EscapeDataString(rejection.Message).Replace("%20", " ", StringComparison.Ordinal);
            return;
        }
        if (rejection.Code == StatusCode.Unauthenticated) context.Response.Headers.WWWAuthenticate = JwtBearerDefaults.AuthenticationScheme;
        await ProblemDetails.Create(rejection).ExecuteAsync(context);
    }

    /// <param name="failure">Null: there is no token.</param>
    private Rejection ToRejection(Exception? failure, string method)
    {
        if (failure is null) return new(StatusCode.Unauthenticated, "This needs a token: send Authorization: Bearer and a JWT.");
        if (FindFault(failure) is { } fault) return new(StatusCode.Unauthenticated, $"The token is refused. {fault}");
        if (faults.Begins("token", failure.Message)) SagaLog.DependencyFailed(log, method, failure.Message, "");
        return new(StatusCode.Unavailable, "The token could not be checked, because the keys of its issuer cannot be read; try again.");
    }

    private static string Describe(Caller caller) => caller.AppId is { } app ? $"The app '{app}'" : $"'{Shortened.To(64, caller.UserId ?? "")}' is no operator and";

    /// <returns>What is wrong with a token, in a sentence. Null: it is not known.</returns>
    private static string? FindFault(Exception failure) => failure switch
    {
        SecurityTokenExpiredException expired => $"It expired at {expired.Expires:u}.",
        SecurityTokenNotYetValidException early => $"It is not valid before {early.NotBefore:u}.",
        SecurityTokenInvalidAudienceException => "It is for another audience (aud).",
        SecurityTokenInvalidIssuerException => "It is of another issuer (iss).",
        SecurityTokenNoExpirationException => "It does not expire (exp).",
        SecurityTokenInvalidAlgorithmException => "It is signed with an algorithm that is not allowed.",
        SecurityTokenSignatureKeyNotFoundException => "It is signed with a key that is not the issuer's.",
        SecurityTokenInvalidSignatureException => "Its signature is not that of the issuer.",
        SecurityTokenMalformedException or ArgumentException => "It is not a JWT.",
        SecurityTokenException or AuthenticationFailureException => Shortened.To(250, failure.Message),
        _ => null,
    };
}
