using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace Grpc.AspNetCore.Server;

/// <summary>Every line the server logs.</summary>
internal static partial class ServerLog
{
    [LoggerMessage(1, LogLevel.Error, "Error when executing service method '{Method}'.", EventName = "ErrorExecutingServiceMethod")]
    public static partial void MethodThrew(ILogger log, string method, Exception e);

    [LoggerMessage(2, LogLevel.Information, "'{Method}' ended with {StatusCode}: {Detail}", EventName = "RpcConnectionError")]
    public static partial void RpcFailed(ILogger log, string method, StatusCode statusCode, string detail, Exception e);

    [LoggerMessage(3, LogLevel.Debug, "'{Method}' passed its deadline.", EventName = "DeadlineExceeded")]
    public static partial void DeadlineExceeded(ILogger log, string method, Exception e);

    [LoggerMessage(4, LogLevel.Debug, "The client of '{Method}' has gone.", EventName = "ClientGone")]
    public static partial void ClientGone(ILogger log, string method, Exception e);
}
