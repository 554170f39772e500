using System.Net;

namespace Orders.Console;

/// <summary>
/// Answers only the console's own page. A page of another site cannot send JSON here without a browser asking first, which nobody here
/// answers; and a name that somebody has pointed at this machine is not one of its own.
/// </summary>
internal static class SameOrigin
{
    private static readonly string[] OwnNames = ["localhost", "127.0.0.1", "[::1]"];

    public static ValueTask<object?> OnlyAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next) =>
        WhyNot(context.HttpContext.Request) is { } refusal ? ValueTask.FromResult<object?>(refusal) : next(context);

    private static IResult? WhyNot(HttpRequest http)
    {
        if (http.HttpContext.Connection.LocalIpAddress is { } here && IPAddress.IsLoopback(here) && !OwnNames.Contains(http.Host.Host))
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
