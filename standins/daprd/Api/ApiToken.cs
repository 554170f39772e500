using System.Security.Cryptography;
using System.Text;
using Daprd.Api.Details;
using Daprd.Invocation;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Api;

/// <summary>Rejects requests without the sidecar's API token.</summary>
internal sealed class ApiToken(string token)
{
    private const string Header = "dapr-api-token";
    private const string Unauthorized = "Unauthorized";
    private readonly byte[] token = Encoding.UTF8.GetBytes(token);

    public Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        var given = context.Request.Headers[Header];
        var shown = Encoding.UTF8.GetBytes(given.ToString());
        if (CryptographicOperations.FixedTimeEquals(shown, token) || context.Request.Path.StartsWithSegments("/v1.0/healthz")) return next(context);
        if (GrpcAnswer.IsGrpc(context.Request))
        {
            var why = given.Count == 0 ? "missing api token in request metadata" : "authentication error: api token mismatch";
            var details = RichStatus.Details(StatusCode.Unauthenticated, Unauthorized, new ErrorInfo
            {
                Reason = Unauthorized, Domain = RichStatus.Domain, Metadata = { ["http.code"] = "401", ["http.error_message"] = why },
            });
            GrpcAnswer.Write(context.Response, StatusCode.Unauthenticated, Unauthorized, details);
            return Task.CompletedTask;
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync("invalid api token");
    }
}
