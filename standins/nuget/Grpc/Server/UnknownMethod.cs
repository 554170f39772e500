using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Grpc.AspNetCore.Server;

/// <summary>Answers calls to services and methods that are not there.</summary>
internal static class UnknownMethod
{
    public static Task HandleAsync(HttpContext http)
    {
        if (!GrpcRequest.Refuse(http))
        {
            http.Response.ContentType = Frame.ContentType;
            var what = http.GetRouteValue("service") is { } service
                ? $"Service '{service}' is unimplemented."
                : $"Method '{http.GetRouteValue("method")}' is unimplemented.";
            StatusHeaders.Write(http.Response.Headers, new Status(StatusCode.Unimplemented, what));
        }

        return Task.CompletedTask;
    }
}

/// <summary>Lets a route match gRPC calls only, so that it takes no other request away from the application.</summary>
internal sealed class GrpcRequestConstraint : IRouteConstraint
{
    public bool Match(
        HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
        httpContext is not null && HttpMethods.IsPost(httpContext.Request.Method) && GrpcRequest.HasContentType(httpContext.Request);
}
