using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dapr;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Saga.Commands;
using Saga.Dapr;
using Saga.State;

namespace Saga.Hosting;

/// <summary>Errors over HTTP: problem details (RFC 9457).</summary>
internal static class ProblemDetails
{
    public static IResult Create(int status, string title, string detail) => Create(status, title, detail, []);

    /// <summary>The problem of a rejection, with Retry-After where the rejection says when to retry.</summary>
    public static IResult Create(Rejection rejection)
    {
        var problem = Create(
            ToHttpStatus(rejection.Code) ?? StatusCodes.Status500InternalServerError, rejection.Title, rejection.Message, rejection.Details.SelectMany(ToErrors));
        return rejection.Details.OfType<Google.Rpc.RetryInfo>().FirstOrDefault() is { RetryDelay: { } delay } ? new RetryLater(problem, delay.ToTimeSpan()) : problem;
    }

    /// <summary>The problem of a request whose body cannot be read.</summary>
    public static IResult Create(BadHttpRequestException refused) => Create(refused.StatusCode,
        refused.StatusCode == StatusCodes.Status413PayloadTooLarge ? "BODY_TOO_LARGE" : "MALFORMED_REQUEST", refused.Message);

    /// <summary>
    /// Gives every error over HTTP/1 a body, also that of an unknown path or method. What an endpoint throws is answered as gRPC does: a bug is a 500 that
    /// tells nothing of it.
    /// </summary>
    internal static void UseProblemDetails(this WebApplication app)
    {
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            ExceptionHandler = http =>
            {
                var fault = http.Features.Get<IExceptionHandlerFeature>()?.Error;
                return (Describe(fault)
                    ?? (fault is not null && IsCorrupt(fault)
                        ? Create(StatusCodes.Status500InternalServerError, "DATA_LOSS", ExceptionInterceptor.DescribeCorrupt(fault, http.User))
                        : Create(StatusCodes.Status500InternalServerError, "INTERNAL", "This is a bug in the service; its log has the details under this path and time."))).ExecuteAsync(http);
            },
            // A rejection is an answer, and no fault for the log.
            SuppressDiagnosticsCallback = context => context.Exception is RejectedException,
        });
        app.UseStatusCodePages(async context =>
        {
            var http = context.HttpContext;
            if (!HttpProtocol.IsHttp11(http.Request.Protocol) && !HttpProtocol.IsHttp10(http.Request.Protocol)) return;
            var status = http.Response.StatusCode;
            var title = ReasonPhrases.GetReasonPhrase(status).ToUpperInvariant().Replace(' ', '_');
            await Create(status, title, status switch
            {
                StatusCodes.Status404NotFound => $"There is nothing at {http.Request.Path}.",
                StatusCodes.Status405MethodNotAllowed => $"{http.Request.Path} does not take {http.Request.Method}, but {http.Response.Headers.Allow}.",
                _ => $"The request could not be read: {ReasonPhrases.GetReasonPhrase(status)}.",
            }).ExecuteAsync(http);
        });
    }

    /// <summary>Runs a request. A rejection and an unreadable body have their own status; a transient fault is 503.</summary>
    public static async Task<IResult> AnswerAsync(Func<Task<IResult>> answer)
    {
        try
        {
            return await answer();
        }
        catch (Exception fault) when (Describe(fault) is { } described)
        {
            return described;
        }
    }

    /// <summary>Null: it is a bug, or a document is corrupt, which <see cref="UseProblemDetails"/> answers by the role of the caller.</summary>
    private static IResult? Describe(Exception? fault) => fault switch
    {
        RejectedException rejected => Create(rejected.Rejection),
        BadHttpRequestException unreadable => Create(unreadable),
        { } corrupt when IsCorrupt(corrupt) => null,
        // Another service rejected the call. That it does not know this service is a fault, and not the client's.
        RpcException refused
            when refused.StatusCode is not (StatusCode.Unauthenticated or StatusCode.PermissionDenied or StatusCode.Unavailable)
                && ToHttpStatus(refused.StatusCode) is not null => Create(Rejection.Of(refused)),
        DaprException or RpcException or ContentionException => Create(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE",
            $"The sidecar, or what is behind it, did not answer. {Faults.MayHaveHappened}"),
        _ => null,
    };

    private static IResult Create(int status, string title, string detail, IEnumerable<ErrorJson> errors) => TypedResults.Json(
        new ProblemJson("about:blank", title, status, detail, [.. errors]), ProblemJsonContext.Readable.ProblemJson, "application/problem+json", status);

    /// <summary>A document is corrupt, here or at another service.</summary>
    private static bool IsCorrupt(Exception fault) => fault is CorruptDocumentException or RpcException { StatusCode: StatusCode.DataLoss };

    /// <summary>Null: it is not a rejection.</summary>
    private static int? ToHttpStatus(StatusCode code) => code switch
    {
        StatusCode.InvalidArgument => StatusCodes.Status400BadRequest,
        StatusCode.Unauthenticated => StatusCodes.Status401Unauthorized,
        StatusCode.PermissionDenied => StatusCodes.Status403Forbidden,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists => StatusCodes.Status409Conflict,
        StatusCode.FailedPrecondition => StatusCodes.Status422UnprocessableEntity,
        StatusCode.ResourceExhausted => StatusCodes.Status429TooManyRequests,
        StatusCode.DataLoss => StatusCodes.Status500InternalServerError,
        StatusCode.Unavailable => StatusCodes.Status503ServiceUnavailable,
        _ => null,
    };

    private static IEnumerable<ErrorJson> ToErrors(IMessage detail) => detail switch
    {
        Google.Rpc.BadRequest bad => bad.FieldViolations.Select(violation => new ErrorJson(violation.Field, violation.Description)),
        Google.Rpc.PreconditionFailure failure => failure.Violations.Select(violation =>
            new ErrorJson(violation.Subject, $"{violation.Type}: {violation.Description}")),
        Google.Rpc.ErrorInfo info => [new(info.Reason, string.Join(", ", info.Metadata.Select(pair => $"{pair.Key}={pair.Value}")))],
        _ => [],
    };

    private sealed class RetryLater(IResult problem, TimeSpan delay) : IResult
    {
        public Task ExecuteAsync(HttpContext http)
        {
            http.Response.Headers.RetryAfter = Math.Ceiling(delay.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            return problem.ExecuteAsync(http);
        }
    }
}

/// <summary>Problem details of RFC 9457, with one error per field or subject.</summary>
internal sealed record ProblemJson(string Type, string Title, int Status, string Detail, ErrorJson[] Errors);

internal sealed record ErrorJson(string Subject, string Description);

[JsonSerializable(typeof(ProblemJson))]
internal sealed partial class ProblemJsonContext : JsonSerializerContext
{
    /// <summary>Without escapes that only HTML needs.</summary>
    public static readonly ProblemJsonContext Readable = new(new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    });
}
