using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Saga.Commands;

namespace Saga.Hosting;

/// <summary>
/// Rejects gRPC calls before they are authenticated, read or handled. Under overload most calls are rejected, and what that costs is taken from those
/// that are accepted: as an exception of a handler it is several times as much.
/// </summary>
internal static class LoadShedding
{
    /// <summary>Adds it for some methods, and authentication after it. Call it once, before endpoints are mapped.</summary>
    /// <param name="methods">Their paths: /package.Service/Method.</param>
    /// <param name="isOverloaded">Called for each call, so it must be fast.</param>
    /// <param name="rejection">Its message is ASCII.</param>
    public static void UseLoadShedding(this WebApplication app, string[] methods, Func<bool> isOverloaded, Rejection rejection)
    {
        var headers = new HeaderDictionary
        {
            ["grpc-status"] = ((int)rejection.Code).ToString(CultureInfo.InvariantCulture),
            ["grpc-message"] = GrpcMessage.Encode(rejection.Message),
        };
        foreach (var trailer in new RejectedException(rejection).Trailers) headers[trailer.Key] = Convert.ToBase64String(trailer.ValueBytes);
        app.Use(next => http =>
        {
            if (!methods.Contains(http.Request.Path.Value, StringComparer.Ordinal) || !isOverloaded()) return next(http);
            // Trailers-Only in gRPC's protocol over HTTP/2: the status is in the headers, and there is no message.
            http.Response.ContentType = "application/grpc";
            foreach (var header in headers) http.Response.Headers[header.Key] = header.Value;
            return Task.CompletedTask;
        });
        // Otherwise WebApplication adds them before everything else.
        app.UseAuthentication();
        app.UseAuthorization();
    }
}
