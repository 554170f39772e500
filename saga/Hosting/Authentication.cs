using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Grpc.Core;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Saga.Commands;

namespace Saga.Hosting;

/// <summary>
/// Finds out who calls: with Auth:Mode jwt a user by a bearer token, or another app of the saga by what its sidecar sends; otherwise everybody is
/// <see cref="Caller.Anyone"/>. What a caller may do is at the methods (<see cref="AllowAttribute"/>), whose default is operators only.
/// </summary>
internal static class Authentication
{
    private const string Any = "any", None = "none", App = "app";

    /// <summary>Clocks of the issuer and of this machine may differ by this.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>Asymmetric ones: a service can verify tokens, and not issue any.</summary>
    private static readonly string[] Algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"];

    public static void AddAuthentication(this WebApplicationBuilder builder, AuthOptions options)
    {
        var services = builder.Services;
        services.AddSingleton(options);
        services.AddSingleton<AppToken>();
        services.AddSingleton<IAuthorizationMiddlewareResultHandler, AccessDenied>();
        services.AddAuthorizationBuilder().SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireRole(Role.Operator).Build());
        if (!options.IsJwt)
        {
            services.AddAuthentication(None).AddScheme<AuthenticationSchemeOptions, AnyoneHandler>(None, null);
            return;
        }
        services.AddAuthentication(Any)
            .AddPolicyScheme(Any, null, any => any.ForwardDefaultSelector = http =>
                http.Request.Headers.Authorization.Count == 0 && http.Request.Headers.ContainsKey(AppHandler.CallerHeader) ? App : JwtBearerDefaults.AuthenticationScheme)
            .AddScheme<AuthenticationSchemeOptions, AppHandler>(App, null)
            .AddJwtBearer(bearer => Configure(bearer, options));
    }

    private static void Configure(JwtBearerOptions bearer, AuthOptions options)
    {
        bearer.MapInboundClaims = false;
        bearer.Authority = options.Authority?.ToString();
        bearer.RequireHttpsMetadata = options.Authority is { IsLoopback: false };
        bearer.TokenValidationParameters = new()
        {
            ValidAlgorithms = Algorithms,
            ValidAudience = options.Audience,
            ValidIssuer = options.Issuer,
            ClockSkew = ClockSkew,
        };
        if (options.JwksFile is { } file)
        {
            var keys = new JwksFileKeys(file);
            bearer.TokenValidationParameters.IssuerSigningKeyResolver = (_, _, _, _) => keys.Get();
        }
        bearer.Events = new()
        {
            OnTokenValidated = context =>
            {
                var token = (JsonWebToken)context.SecurityToken;
                if (!token.TryGetPayloadValue<string>(options.UserClaim, out var user) || string.IsNullOrEmpty(user))
                {
                    context.Fail(new SecurityTokenException($"It has no claim '{options.UserClaim}' with the id of a user."));
                    return Task.CompletedTask;
                }
                var isOperator = context.Principal!.HasClaim(options.RoleClaim, Role.Operator);
                context.Principal = new Caller(user, isOperator, null).ToPrincipal(JwtBearerDefaults.AuthenticationScheme);
                return Task.CompletedTask;
            },
        };
    }

    /// <summary>Auth:Mode none.</summary>
    private sealed class AnyoneHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        private static readonly Task<AuthenticateResult> Anyone =
            Task.FromResult(AuthenticateResult.Success(new(Caller.Anyone.ToPrincipal(None), None)));

        protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Anyone;
    }

    /// <summary>
    /// Another app, through its sidecar and that of this service: daprd adds the caller's app id to a call between sidecars, and APP_API_TOKEN on the last
    /// hop, which nobody else knows. An app that sends the header itself is named twice, and refused.
    /// </summary>
    private sealed class AppHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, AppToken token)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        public const string CallerHeader = "dapr-caller-app-id";

        protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(
            !token.IsSentWith(Request) ? AuthenticateResult.Fail($"Only the sidecar may say which app calls ({CallerHeader}).")
            : Request.Headers[CallerHeader] is not [{ } appId] || appId.Contains(',') ? AuthenticateResult.Fail($"{CallerHeader} must be one app.")
            : AuthenticateResult.Success(new(new Caller(null, IsOperator: false, appId).ToPrincipal(App), App)));
    }
}

/// <summary>APP_API_TOKEN, which the sidecar sends with each call to its app.</summary>
internal sealed class AppToken(AuthOptions options)
{
    public const string Header = "dapr-api-token";

    private readonly byte[]? token = options.AppToken is { } text ? Encoding.UTF8.GetBytes(text) : null;

    /// <summary>False: any caller counts as the sidecar.</summary>
    public bool IsSet => token is not null;

    public bool IsSentWith(HttpRequest request) =>
        token is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(request.Headers[Header].ToString()), token);
}

/// <summary>Answers a call that is not allowed: over gRPC UNAUTHENTICATED or PERMISSION_DENIED, over HTTP 401 or 403 with problem details.</summary>
internal sealed class AccessDenied : IAuthorizationMiddlewareResultHandler
{
    public async Task HandleAsync(RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (authorizeResult.Succeeded)
        {
            await next(context);
            return;
        }
        var failure = authorizeResult.Challenged ? (await context.AuthenticateAsync()).Failure : null;
        var (code, problem) = authorizeResult.Challenged
            ? (StatusCode.Unauthenticated, failure is null ? "This needs a token: send Authorization: Bearer and a JWT." : $"The token is refused. {Describe(failure)}")
            : (StatusCode.PermissionDenied, $"{Describe(Caller.Of(context.User))} may not do this.");
        if (context.Request.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true)
        {
            context.Response.ContentType = "application/grpc";
            context.Response.Headers["grpc-status"] = ((int)code).ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["grpc-message"] = Uri.EscapeDataString(problem).Replace("%20", " ", StringComparison.Ordinal);
            return;
        }
        if (code == StatusCode.Unauthenticated) context.Response.Headers.WWWAuthenticate = JwtBearerDefaults.AuthenticationScheme;
        await ProblemDetails.Create(new(code, problem)).ExecuteAsync(context);
    }

    private static string Describe(Caller caller) => caller.AppId is { } app ? $"The app '{app}'" : $"'{Shortened.To(64, caller.UserId ?? "")}' is no operator and";

    private static string Describe(Exception failure) => failure switch
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
        SecurityTokenException { InnerException: null } or AuthenticationFailureException => failure.Message,
        _ => "It could not be checked.",
    };
}
