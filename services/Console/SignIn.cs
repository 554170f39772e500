using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.JwtBearer;

namespace ShopConsole;

/// <summary>A page cannot send a token with everything that it loads: with Auth:Mode jwt the console keeps it in a cookie that scripts cannot read.</summary>
internal static class SignIn
{
    private const string Cookie = "shop-token";

    /// <summary>A cookie is for all ports of a host, but only for the paths below this one: what else listens on the host does not get the token.</summary>
    private const string CookiePath = "/api/console";

    /// <summary>Characters of a token, at most: browsers drop a longer cookie.</summary>
    private const int TokenMax = 3_800;

    public static void AddSignIn(this WebApplicationBuilder builder)
    {
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddSingleton<ShopChannel>();
        builder.Services.PostConfigure<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme, bearer => bearer.Events.OnMessageReceived = context =>
        {
            context.Token = FindToken(context.HttpContext);
            return Task.CompletedTask;
        });
    }

    public static void MapSignIn(this RouteGroupBuilder api)
    {
        api.MapPost("/session", OpenAsync);
        api.MapDelete("/session", Close);
    }

    /// <summary>Null: the request has none.</summary>
    public static string? FindToken(HttpContext http)
    {
        const string Scheme = "Bearer ";
        var header = http.Request.Headers.Authorization.ToString();
        return header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? header[Scheme.Length..].Trim() : http.Request.Cookies[Cookie];
    }

    /// <summary>Keeps the token of the request, which is an operator's.</summary>
    private static async Task<IResult> OpenAsync(HttpContext http, AuthOptions auth)
    {
        if (auth.IsJwt && FindToken(http) is { } token)
        {
            if (token.Length > TokenMax)
            {
                return ProblemDetails.Create(StatusCodes.Status400BadRequest, "TOKEN_TOO_LONG",
                    $"The token has {token.Length:N0} characters, and a cookie holds {TokenMax:N0}. Take one with fewer claims.");
            }
            http.Response.Cookies.Append(Cookie, token, new()
            {
                Path = CookiePath, HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = http.Request.IsHttps,
                Expires = (await http.AuthenticateAsync()).Properties?.ExpiresUtc,
            });
        }
        return TypedResults.NoContent();
    }

    private static IResult Close(HttpResponse response)
    {
        response.Cookies.Delete(Cookie, new() { Path = CookiePath });
        return TypedResults.NoContent();
    }
}

/// <summary>Calls the services for the user of the request that is handled, and otherwise for the console itself.</summary>
internal sealed class ShopChannel(SidecarChannel sidecar, IHttpContextAccessor requests)
{
    /// <summary>For calls to an app, by its Dapr app id.</summary>
    public CallInvoker To(string appId) => sidecar.To(appId).Intercept(headers =>
    {
        if (requests.HttpContext is { } http && SignIn.FindToken(http) is { } token) headers.Add("authorization", $"Bearer {token}");
        return headers;
    });
}
