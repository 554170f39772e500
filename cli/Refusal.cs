using System.Text.Json;
using Google.Rpc;
using Grpc.Core;

namespace Shop;

/// <summary>Why the shop did not do what it was asked, in one line: the code, and what its google.rpc details say.</summary>
internal static class Refusal
{
    public static string Of(RpcException fault)
    {
        var details = fault.Trailers.GetValueBytes("grpc-status-details-bin") is { } bytes ? Google.Rpc.Status.Parser.ParseFrom(bytes).Details.SelectMany(Told).ToArray() : [];
        var text = details.Length > 0 ? string.Join("; ", details) : fault.Status.Detail;
        return $"{JsonNamingPolicy.SnakeCaseUpper.ConvertName(fault.StatusCode.ToString())}: {text.ReplaceLineEndings(" ")}";

        IEnumerable<string> Told(Google.Protobuf.WellKnownTypes.Any detail) =>
            detail.TryUnpack<BadRequest>(out var bad) ? bad.FieldViolations.Select(wrong => $"{wrong.Field} {wrong.Description}")
            : detail.TryUnpack<PreconditionFailure>(out var failure) ? failure.Violations.Select(missing => $"{missing.Description} ({missing.Type}, {missing.Subject})")
            : detail.TryUnpack<ErrorInfo>(out var info) ? [$"{fault.Status.Detail} ({info.Reason})"]
            : [];
    }
}
