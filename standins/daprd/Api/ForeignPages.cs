using System.Net;
using Daprd.Invocation;
using Microsoft.AspNetCore.Http;

namespace Daprd.Api;

/// <summary>
/// Rejects HTTP requests that a page of another site makes in a visitor's browser, with status 403. Stricter than daprd, which takes them unless it
/// has an API token: publishing an event needs no more than a form on a page.
/// </summary>
internal static class ForeignPages
{
    private static readonly string[] LoopbackHosts = ["localhost", "127.0.0.1", "[::1]"];

    public static async Task RejectAsync(HttpContext context, RequestDelegate next)
    {
        if (GrpcAnswer.IsGrpc(context.Request) || FindProblem(context) is not { } problem)
        {
            await next(context);
            return;
        }
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        context.Response.ContentType = "text/plain";
        await context.Response.WriteAsync(problem);
    }

    /// <summary>Null: it is not from such a page.</summary>
    private static string? FindProblem(HttpContext context)
    {
        var http = context.Request;
        if (context.Connection.LocalIpAddress is { } local && IPAddress.IsLoopback(local) && !LoopbackHosts.Contains(http.Host.Host))
        {
            // A foreign name that resolves to this machine.
            return $"'{http.Host}' is not this machine; use localhost";
        }
        var (origin, site) = (http.Headers.Origin, http.Headers["Sec-Fetch-Site"]);
        if (origin.Count > 0 && origin != $"{http.Scheme}://{http.Host}") return $"a page of '{origin}' may not call this sidecar";
        return site.Count > 0 && site != "same-origin" && site != "none" ? "a page of another site may not call this sidecar" : null;
    }
}
