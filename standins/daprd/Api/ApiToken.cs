using System.Security.Cryptography;
using System.Text;
using Daprd.Invocation;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Daprd.Api;

/// <summary>Rejects requests without the sidecar's API token.</summary>
internal sealed class ApiToken(string token)
{
    public const string Header = "dapr-api-token";

    private readonly byte[] token = Encoding.UTF8.GetBytes(token);

    public Task CheckAsync(HttpContext context, RequestDelegate next)
    {
        var shown = Encoding.UTF8.GetBytes(context.Request.Headers[Header].ToString());
        if (CryptographicOperations.FixedTimeEquals(shown, token) || context.Request.Path.StartsWithSegments("/v1.0/healthz")) return next(context);
        if (GrpcAnswer.IsGrpc(context.Request))
        {
            GrpcAnswer.Write(context.Response, StatusCode.Unauthenticated, "Unauthorized");
            return Task.CompletedTask;
        }

        context.Response.StatusCode = StatusCodes.Status401Unauthorized;
        context.Response.ContentType = "text/plain";
        return context.Response.WriteAsync("invalid api token");
    }
}
