using System.Net;

namespace ShopConsole;

/// <summary>
/// Rejects requests of pages of other sites. Such a page cannot send JSON without a CORS preflight, which is not answered here; and a request
/// on a loopback address must name a loopback host, so that a foreign name that resolves to this machine (DNS rebinding) is rejected too.
/// </summary>
internal static class SameOrigin
{
    private static readonly string[] LoopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

    public static ValueTask<object?> FilterAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        Reject(context.HttpContext.Request) is { } rejection ? ValueTask.FromResult<object?>(rejection) : next(context);

    /// <summary>Null: it is not rejected.</summary>
    private static IResult? Reject(HttpRequest http)
    {
        if (http.HttpContext.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local) && !LoopbackHosts.Contains(http.Host.Host))
        {
            return ProblemDetails.Create(StatusCodes.Status403Forbidden, "FOREIGN_HOST", $"'{http.Host}' is not this machine; use localhost.");
        }
        if (HttpMethods.IsGet(http.Method)) return null;
        if (http.Headers.Origin is [{ } origin] && origin != $"{http.Scheme}://{http.Host}")
        {
            return ProblemDetails.Create(StatusCodes.Status403Forbidden, "FOREIGN_ORIGIN", $"A page of '{origin}' may not do this.");
        }
        return http.HasJsonContentType()
            ? null
            : ProblemDetails.Create(StatusCodes.Status415UnsupportedMediaType, "NOT_JSON", "The body must be JSON, and its content type say so.");
    }
}
