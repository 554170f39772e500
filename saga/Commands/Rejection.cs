using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Saga.Dapr;
using Status = Grpc.Core.Status;

namespace Saga.Commands;

/// <summary>Why a client's request is rejected: a value that becomes a gRPC status at the edge.</summary>
/// <param name="Message">A sentence that says what is wrong and where.</param>
/// <param name="Details">google.rpc messages, for programs.</param>
public sealed record Rejection(StatusCode Code, string Message, params IReadOnlyList<IMessage> Details)
{
    internal const string Domain = "shop.v1";

    /// <summary>A google.rpc.Status with the details, as gRPC's clients of all languages read it.</summary>
    internal const string DetailsTrailer = "grpc-status-details-bin";

    private static readonly TypeRegistry KnownDetails = TypeRegistry.FromMessages(
        BadRequest.Descriptor, PreconditionFailure.Descriptor, ErrorInfo.Descriptor, RetryInfo.Descriptor);

    /// <summary>Violations that one rejection names, and characters of each, at most.</summary>
    private const int ViolationsMax = 20, DescriptionMax = 250;

    /// <summary>Bytes of headers that the violations may take: some clients refuse a call with more than 8 KiB of them.</summary>
    private const int HeaderBytesMax = 6 * 1024;

    /// <summary>The code as gRPC writes it, such as INVALID_ARGUMENT.</summary>
    internal string Title => string.Concat(Code.ToString().Select((letter, at) =>
        at > 0 && char.IsUpper(letter) ? $"_{letter}" : $"{char.ToUpperInvariant(letter)}"));

    /// <summary>The rejection that another service answered, with the details that this one knows.</summary>
    internal static Rejection Of(RpcException refused)
    {
        var message = refused.Status.Detail;
        try
        {
            var details = refused.Trailers.GetValueBytes(DetailsTrailer) is { } bytes ? Google.Rpc.Status.Parser.ParseFrom(bytes).Details : [];
            return new(refused.StatusCode, message, [.. details.Select(detail => detail.Unpack(KnownDetails)).OfType<IMessage>()]);
        }
        catch (InvalidProtocolBufferException)
        {
            return new(refused.StatusCode, message);
        }
    }

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
        failure.Violations.AddRange(violations.Select(violation => new PreconditionFailure.Types.Violation
        {
            Type = violation.Reason.Reason,
            Subject = violation.Subject,
            Description = Shortened.To(DescriptionMax, violation.Reason.Detail),
        }).Take(CountFitting(violations.Select(violation => $"{violation.Reason.Reason}{violation.Subject}{Shortened.To(DescriptionMax, violation.Reason.Detail)}"))));
        return new(StatusCode.FailedPrecondition,
            Join(failure.Violations.Select(violation => violation.Description), violations.Count - failure.Violations.Count), failure);
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
        }).Take(CountFitting(violations.Select(violation => $"{violation.Field}{violation.Description}"))));
        return new(StatusCode.InvalidArgument,
            Join(bad.FieldViolations.Select(violation => $"{violation.Field}: {violation.Description}"), violations.Count - bad.FieldViolations.Count), bad);
    }

    private static string Join(IEnumerable<string> sentences, int more) => $"{string.Join(' ', sentences)}{(more > 0 ? $" And {more} more." : "")}";

    /// <returns>How many of these texts the headers have room for; the first one always.</returns>
    private static int CountFitting(IEnumerable<string> texts)
    {
        var (count, bytes) = (0, 0);
        foreach (var text in texts)
        {
            var (ascii, all) = (text.Count(char.IsAscii), Encoding.UTF8.GetByteCount(text));
            // In grpc-message, percent-encoded, and twice in the details, in base64.
            bytes += ascii + 3 * (all - ascii) + 8 * all / 3;
            if (count == ViolationsMax || count > 0 && bytes > HeaderBytesMax) break;
            count++;
        }
        return count;
    }
}

/// <summary>A rejection on its way to the client.</summary>
public sealed class RejectedException(Rejection rejection)
    : RpcException(new Status(rejection.Code, rejection.Message), ToTrailers(rejection), rejection.Message)
{
    public Rejection Rejection { get; } = rejection;

    private static Metadata ToTrailers(Rejection rejection)
    {
        var status = new Google.Rpc.Status { Code = (int)rejection.Code, Message = rejection.Message };
        status.Details.AddRange(rejection.Details.Select(Any.Pack));
        return new Metadata { { Rejection.DetailsTrailer, status.ToByteArray() } };
    }
}
