using System.Globalization;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Saga.Hosting;

/// <summary>The header grpc-message: UTF-8, of which all but printable ASCII, and %, is percent-encoded, as gRPC's protocol over HTTP/2 has it.</summary>
internal static class GrpcMessage
{
    /// <summary>Answers a call without a response message (Trailers-Only): the status is in the headers.</summary>
    public static Task AnswerAsync(HttpContext http, Status status)
    {
        http.Response.ContentType = "application/grpc";
        http.Response.Headers["grpc-status"] = ((int)status.StatusCode).ToString(CultureInfo.InvariantCulture);
        http.Response.Headers["grpc-message"] = Encode(status.Detail);
        return Task.CompletedTask;
    }

    public static string Encode(string message)
    {
        var encoded = new StringBuilder(message.Length);
        foreach (var one in Encoding.UTF8.GetBytes(message))
        {
            if (one is >= 0x20 and <= 0x7E and not (byte)'%') encoded.Append((char)one);
            else encoded.Append(CultureInfo.InvariantCulture, $"%{one:X2}");
        }
        return encoded.ToString();
    }
}
