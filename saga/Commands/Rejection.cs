using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Status = Grpc.Core.Status;

namespace Saga.Commands;

/// <summary>Why a client's request is rejected: a value that becomes a gRPC status at the edge.</summary>
/// <param name="Message">A sentence that says what is wrong and where.</param>
/// <param name="Details">google.rpc messages, for programs.</param>
public sealed record Rejection(StatusCode Code, string Message, params IReadOnlyList<IMessage> Details)
{
    internal const string Domain = "shop.v1";

    /// <summary>Violations that one rejection names, and characters of each, at most: all are in a header, of which clients take some 16 KiB.</summary>
    private const int ViolationsMax = 20, DescriptionMax = 250;

    /// <summary>The code as gRPC writes it, such as INVALID_ARGUMENT.</summary>
    internal string Title => string.Concat(Code.ToString().Select((letter, at) =>
        at > 0 && char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));

    public static Rejection NotFound(string what, string id) => new(StatusCode.NotFound, $"There is no {what} '{id}'.",
        new ErrorInfo { Domain = Domain, Reason = $"{what.ToUpperInvariant()}_NOT_FOUND", Metadata = { [what] = id } });

    public static Rejection AlreadyExists(string what, string id) => new(StatusCode.AlreadyExists, $"There is already {what} '{id}'.",
        new ErrorInfo { Domain = Domain, Reason = "ALREADY_EXISTS", Metadata = { [what] = id } });

    internal static Rejection KeyReused(string key) => new(StatusCode.AlreadyExists,
        $"The idempotency key '{key}' was used before for a request with other content. Use a new key for a new request.",
        new ErrorInfo { Domain = Domain, Reason = "IDEMPOTENCY_KEY_REUSED", Metadata = { ["idempotency_key"] = key } });

    /// <param name="violations">The subject has the form product/p-1.</param>
    public static Rejection Precondition(params IReadOnlyList<(string Subject, FailureReason Reason)> violations)
    {
        var failure = new PreconditionFailure();
        failure.Violations.AddRange(violations.Take(ViolationsMax).Select(violation => new PreconditionFailure.Types.Violation
        {
            Type = violation.Reason.Reason,
            Subject = violation.Subject,
            Description = Shortened.To(DescriptionMax, violation.Reason.Detail),
        }));
        var more = violations.Count > ViolationsMax ? $" And {violations.Count - ViolationsMax} more." : "";
        return new(StatusCode.FailedPrecondition, $"{string.Join(' ', failure.Violations.Select(violation => violation.Description))}{more}", failure);
    }

    /// <param name="problem">Which limit is reached, as the beginning of a sentence.</param>
    internal static Rejection Exhausted(string problem, TimeSpan retryAfter) => new(StatusCode.ResourceExhausted,
        $"{problem}. This call did nothing; retry after {retryAfter.TotalSeconds:0} s.", new RetryInfo { RetryDelay = Duration.FromTimeSpan(retryAfter) });

    internal static Rejection Invalid(IReadOnlyList<(string Field, string Description)> violations)
    {
        var bad = new BadRequest();
        bad.FieldViolations.AddRange(violations.Select(violation => new BadRequest.Types.FieldViolation
        {
            Field = violation.Field,
            Description = violation.Description,
        }));
        return new(StatusCode.InvalidArgument, string.Join(' ', violations.Select(violation => $"{violation.Field}: {violation.Description}")), bad);
    }
}

/// <summary>A rejection on its way to the client.</summary>
public sealed class RejectedException(Rejection rejection)
    : RpcException(new Status(rejection.Code, rejection.Message), TrailersOf(rejection), rejection.Message)
{
    public Rejection Rejection { get; } = rejection;

    private static Metadata TrailersOf(Rejection rejection)
    {
        var status = new Google.Rpc.Status { Code = (int)rejection.Code, Message = rejection.Message };
        status.Details.AddRange(rejection.Details.Select(Any.Pack));
        return new Metadata { { "grpc-status-details-bin", status.ToByteArray() } };
    }
}
