using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Saga.Hosting;

/// <summary>
/// Answers a gRPC call with UNIMPLEMENTED when its path is spelt otherwise than that of its method. ASP.NET Core's routing takes other cases and a slash at
/// the end; gRPC does not, and what decides by the path (who may deliver, what is limited) would take it for another method.
/// </summary>
internal static class GrpcPaths
{
    public static void UseExactGrpcPaths(this WebApplication app) => app.Use((http, next) =>
    {
        var method = http.GetEndpoint()?.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.FullName;
        if (method is null || http.Request.Path.Value == method) return next(http);
        return GrpcMessage.AnswerAsync(http, new(StatusCode.Unimplemented, $"There is no method {http.Request.Path}, but {method}."));
    });
}
