using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Http;

namespace Grpc.Core;

public static class ServerCallContextExtensions
{
    private const string UserStateKey = "__HttpContext";

    /// <exception cref="InvalidOperationException">The call is not served by ASP.NET Core, and its user state names no context.</exception>
    public static HttpContext GetHttpContext(this ServerCallContext serverCallContext)
    {
        ArgumentNullException.ThrowIfNull(serverCallContext);
        if (serverCallContext is ServerCall call)
        {
            return call.Http;
        }

        // A test's own context says it this way.
        return serverCallContext.UserState.TryGetValue(UserStateKey, out var found) && found is HttpContext http
            ? http
            : throw new InvalidOperationException("This call has no HttpContext: it is not served by ASP.NET Core.");
    }
}
