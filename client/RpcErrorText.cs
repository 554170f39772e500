using System.Text.Json;
using Google.Protobuf;
using Google.Rpc;
using Grpc.Core;

namespace Shop;

/// <summary>Formats a gRPC error for people.</summary>
public static class RpcErrorText
{
    /// <summary>One line: the status code, and what its google.rpc details say; without details, the status message.</summary>
    /// <returns>Such as "NOT_FOUND: product lamp does not exist (PRODUCT_NOT_FOUND)".</returns>
    public static string Describe(RpcException fault)
    {
        string[] details = [];
        try
        {
            if (fault.Trailers.GetValueBytes("grpc-status-details-bin") is { } bytes)
            {
                details = [.. Google.Rpc.Status.Parser.ParseFrom(bytes).Details.SelectMany(ToTexts)];
            }
        }
        catch (InvalidProtocolBufferException)
        {
            // What answers there sends something else by that name.
        }
        var text = details.Length > 0 ? string.Join("; ", details) : fault.Status.Detail;
        return $"{JsonNamingPolicy.SnakeCaseUpper.ConvertName(fault.StatusCode.ToString())}: {text.ReplaceLineEndings(" ")}";

        IEnumerable<string> ToTexts(Google.Protobuf.WellKnownTypes.Any detail) =>
            detail.TryUnpack<BadRequest>(out var bad) ? bad.FieldViolations.Select(violation => $"{violation.Field} {violation.Description}")
            : detail.TryUnpack<PreconditionFailure>(out var failure)
                ? failure.Violations.Select(violation => $"{violation.Description} ({violation.Type}, {violation.Subject})")
            : detail.TryUnpack<ErrorInfo>(out var info) ? [$"{fault.Status.Detail} ({info.Reason})"]
            : [];
    }
}
