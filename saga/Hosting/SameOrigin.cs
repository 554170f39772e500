using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Net.Http.Headers;

namespace Saga.Hosting;

/// <summary>
/// Rejects requests that a page of another site makes in a visitor's browser. A state-changing request must not come from another origin (Origin,
/// Sec-Fetch-Site), and must be JSON, which such a page cannot send without a CORS preflight, which is not answered. A request on a loopback address
/// must name a loopback host, or one of ASP.NET Core's setting AllowedHosts, so that a foreign name that resolves to this machine (DNS rebinding) is
/// rejected too.
/// </summary>
internal static class SameOrigin
{
    /// <summary>The sidecar too calls the service under one of these.</summary>
    internal static readonly string[] LoopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

    /// <summary>Rejects a foreign host and a foreign origin for all paths but those of gRPC, which no page can call.</summary>
    public static void UseSameOrigin(this WebApplication app) => app.Use((http, next) =>
        !IsGrpc(http.Request) && (RejectHost(http.Request) ?? RejectOrigin(http.Request)) is { } rejection ? rejection.ExecuteAsync(http) : next(http));

    /// <summary>A filter for endpoints with a body; a rejection is problem details with status 415.</summary>
    public static ValueTask<object?> FilterBodyAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        RejectBody(context.HttpContext.Request) is { } rejection ? ValueTask.FromResult<object?>(rejection) : next(context);

    private static bool IsGrpc(HttpRequest http) => http.ContentType?.StartsWith("application/grpc", StringComparison.Ordinal) == true;

    /// <summary>Null: it is not rejected.</summary>
    private static IResult? RejectBody(HttpRequest http)
    {
        if (HttpMethods.IsGet(http.Method) || HttpMethods.IsHead(http.Method)) return null;
        if (http.Headers.ContentEncoding is { Count: > 0 } encoding && encoding != "identity")
        {
            return ProblemDetails.Create(StatusCodes.Status415UnsupportedMediaType, "COMPRESSED", $"Content-Encoding '{encoding}' is not supported: send the body as it is.");
        }
        return IsUtf8Json(http) ? null : ProblemDetails.Create(StatusCodes.Status415UnsupportedMediaType, "NOT_JSON",
            "The body must be JSON in UTF-8, and its content type say so: Content-Type: application/json.");
    }

    /// <summary>Null: it is not rejected.</summary>
    private static IResult? RejectOrigin(HttpRequest http)
    {
        if (HttpMethods.IsGet(http.Method) || HttpMethods.IsHead(http.Method) || HttpMethods.IsOptions(http.Method)) return null;
        if (http.Headers.Origin is { Count: > 0 } origin && origin != $"{http.Scheme}://{http.Host}")
        {
            return ProblemDetails.Create(StatusCodes.Status403Forbidden, "FOREIGN_ORIGIN", $"A page of '{origin}' may not do this.");
        }
        if (http.Headers["Sec-Fetch-Site"] is { Count: > 0 } site && site != "same-origin" && site != "none")
        {
            return ProblemDetails.Create(StatusCodes.Status403Forbidden, "FOREIGN_ORIGIN", "A page of another site may not do this.");
        }
        return null;
    }

    /// <summary>Null: it is not rejected.</summary>
    private static IResult? RejectHost(HttpRequest http) =>
        http.HttpContext.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local) && !LoopbackHosts.Contains(http.Host.Host, StringComparer.OrdinalIgnoreCase)
        && !IsAllowed(http)
            ? ProblemDetails.Create(StatusCodes.Status403Forbidden, "FOREIGN_HOST", $"'{http.Host}' is not this machine; use localhost.")
            : null;

    /// <summary>The name under which a proxy on this machine has the service.</summary>
    private static bool IsAllowed(HttpRequest http) => http.HttpContext.RequestServices.GetRequiredService<IConfiguration>()["AllowedHosts"] is { } hosts
        && hosts.Split(';', StringSplitOptions.TrimEntries).Contains(http.Host.Host, StringComparer.OrdinalIgnoreCase);

    private static bool IsUtf8Json(HttpRequest http) => http.HasJsonContentType() && http.GetTypedHeaders().ContentType!.Parameters
        .Where(parameter => parameter.Name.Equals("charset", StringComparison.OrdinalIgnoreCase))
        .Select(parameter => HeaderUtilities.RemoveQuotes(parameter.Value).ToString())
        .All(charset => charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase));
}
