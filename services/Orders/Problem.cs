using Google.Protobuf;
using Grpc.Core;
using Saga;

namespace Orders;

/// <summary>Errors over HTTP: problem details (RFC 9457).</summary>
internal static class Problem
{
    public static IResult Of(int status, string title, string detail, params IEnumerable<ErrorJson> errors) => TypedResults.Json(
        new ProblemJson("about:blank", title, status, detail, [.. errors]), OrderJsonContext.Readable.ProblemJson, "application/problem+json", status);

    public static IResult Of(Rejection rejection) => Of(
        StatusOf(rejection.Code) ?? StatusCodes.Status500InternalServerError, rejection.Title, rejection.Message, rejection.Details.SelectMany(ErrorsOf));

    /// <summary>Answers, or says why not: a refusal with its own status, a fault as 503.</summary>
    public static async Task<IResult> AnswerAsync(Func<Task<IResult>> answer)
    {
        try
        {
            return await answer();
        }
        catch (RejectedException rejected)
        {
            return Of(rejected.Rejection);
        }
        catch (RpcException refused) when (StatusOf(refused.StatusCode) is { } code)
        {
            // Another service's refusal.
            return Of(code, new Rejection(refused.StatusCode, "").Title, refused.Status.Detail);
        }
        catch (Exception fault) when (fault is Dapr.DaprException or RpcException)
        {
            return Of(StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE", "The sidecar, or what is behind it, did not answer; nothing is lost, try again.");
        }
    }

    /// <summary>Null: it is no refusal.</summary>
    private static int? StatusOf(StatusCode code) => code switch
    {
        StatusCode.InvalidArgument => StatusCodes.Status400BadRequest,
        StatusCode.NotFound => StatusCodes.Status404NotFound,
        StatusCode.AlreadyExists => StatusCodes.Status409Conflict,
        StatusCode.FailedPrecondition => StatusCodes.Status422UnprocessableEntity,
        _ => null,
    };

    private static IEnumerable<ErrorJson> ErrorsOf(IMessage detail) => detail switch
    {
        Google.Rpc.BadRequest bad => bad.FieldViolations.Select(violation => new ErrorJson(violation.Field, violation.Description)),
        Google.Rpc.PreconditionFailure failure => failure.Violations.Select(violation =>
            new ErrorJson(violation.Subject, $"{violation.Type}: {violation.Description}")),
        Google.Rpc.ErrorInfo info => [new(info.Reason, string.Join(", ", info.Metadata.Select(pair => $"{pair.Key}={pair.Value}")))],
        _ => [],
    };
}

/// <summary>Problem details as RFC 9457 has them, with what is wrong in each place.</summary>
internal sealed record ProblemJson(string Type, string Title, int Status, string Detail, ErrorJson[] Errors);

internal sealed record ErrorJson(string Subject, string Description);
