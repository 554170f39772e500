using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.PubSub;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using static Dapr.Client.Autogen.Grpc.v1.HTTPExtension.Types;
using HttpRequest = Microsoft.AspNetCore.Http.HttpRequest;

namespace Daprd.Api;

/// <summary>A call over HTTP of an app that speaks gRPC: it reaches the app as OnInvoke, and the app's status becomes one of HTTP.</summary>
internal static class HttpInvocation
{
    public static InvokeServiceRequest Read(HttpRequest request, string app, string method, byte[] body) => new()
    {
        Id = app,
        Message = new InvokeRequest
        {
            Method = method,
            Data = new Any { Value = UnsafeByteOperations.UnsafeWrap(body) },
            ContentType = request.ContentType ?? "",
            HttpExtension = new HTTPExtension
            {
                Verb = System.Enum.TryParse<Verb>(request.Method, ignoreCase: true, out var verb) ? verb : Verb.None,
                Querystring = request.QueryString.Value?.TrimStart('?') ?? "",
            },
        },
    };

    public static int StatusOf(StatusCode code) => code switch
    {
        StatusCode.OK => StatusCodes.Status200OK,
        StatusCode.Cancelled => StatusCodes.Status408RequestTimeout,
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.OutOfRange => StatusCodes.Status400BadRequest,
        StatusCode.DeadlineExceeded => StatusCodes.Status504GatewayTimeout,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists or StatusCode.Aborted => StatusCodes.Status409Conflict,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.Unimplemented => StatusCodes.Status501NotImplemented,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        _ => StatusCodes.Status500InternalServerError,
    };

    /// <summary>The body of a failure is the app's status as protobuf writes it in JSON.</summary>
    public static void WriteFailure(Utf8JsonWriter writer, Status status)
    {
        writer.WriteStartObject();
        writer.WriteNumber("code", (int)status.StatusCode);
        if (status.Detail.Length > 0) writer.WriteString("message", status.Detail);
        writer.WriteEndObject();
    }
}
