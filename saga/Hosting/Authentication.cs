using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
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
/// Finds out who calls: with Auth:Mode jwt a user by a bearer token, or another app of the saga by what its sidecar sends; otherwise every caller is
/// <see cref="Caller.Anyone"/>. What a caller may do is at the methods (<see cref="AllowAttribute"/>), whose default is operators only.
/// </summary>
internal static class Authentication
{
    private const string Any = "any", None = "none", App = "app";

    /// <summary>Clocks of the issuer and of this machine may differ by this.</summary>
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    /// <summary>Of a request for the issuer's keys: calls wait for it while none are known.</summary>
    private static readonly TimeSpan IssuerTimeout = TimeSpan.FromSeconds(5);

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
                http.Request.Headers.Authorization.Count == 0 && http.Request.Headers.ContainsKey(AppToken.CallerHeader) ? App : JwtBearerDefaults.AuthenticationScheme)
            .AddScheme<AuthenticationSchemeOptions, AppHandler>(App, null)
            .AddJwtBearer(bearer => Configure(bearer, options));
    }

    private static void Configure(JwtBearerOptions bearer, AuthOptions options)
    {
        bearer.MapInboundClaims = false;
        bearer.BackchannelTimeout = IssuerTimeout;
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
            OnAuthenticationFailed = async context =>
            {
                // Without the authority's keys and issuer no token fits.
                if (bearer.ConfigurationManager is not { } authority) return;
                try
                {
                    await authority.GetConfigurationAsync(context.HttpContext.RequestAborted);
                }
                catch (InvalidOperationException unreachable)
                {
                    context.Fail(unreachable);
                }
            },
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
    /// hop, which only the sidecar and its app know. An app that sends the header itself is named twice, and refused.
    /// </summary>
    private sealed class AppHandler(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, AppToken token)
        : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
    {
        protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(
            !token.IsSentWith(Request) ? AuthenticateResult.Fail($"Only the sidecar may say which app calls ({AppToken.CallerHeader}).")
            : Request.Headers[AppToken.CallerHeader] is not [{ Length: > 0 } appId] || appId.Contains(',') ? AuthenticateResult.Fail($"{AppToken.CallerHeader} must be one app.")
            : AuthenticateResult.Success(new(new Caller(null, IsOperator: false, appId).ToPrincipal(App), App)));
    }
}
