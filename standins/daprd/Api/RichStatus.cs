using Daprd.Api.Details;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Daprd.Api;

/// <summary>Converts an <see cref="ApiException"/> to a gRPC status with details in the trailers.</summary>
internal static class RichStatus
{
    public const string Domain = "dapr.io";
    public const string Trailer = "grpc-status-details-bin";

    public static RpcException Of(ApiException failure)
    {
        var status = new Grpc.Core.Status(failure.Status, failure.Message);
        if (failure.Reason is null) return new RpcException(status);
        var details = Details(failure.Status, failure.Message, new ErrorInfo { Reason = failure.Reason, Domain = Domain });
        return new RpcException(status, new Metadata { { Trailer, details } });
    }

    /// <summary>The value of the trailer: a google.rpc.Status.</summary>
    public static byte[] Details(StatusCode code, string message, ErrorInfo info) =>
        new Details.Status { Code = (int)code, Message = message, Details = { Any.Pack(info) } }.ToByteArray();
}
