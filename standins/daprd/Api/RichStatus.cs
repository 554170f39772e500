using Daprd.Api.Details;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Daprd.Api;

/// <summary>Turns an <see cref="ApiException"/> into the status a gRPC client sees, with its details in the trailers.</summary>
internal static class RichStatus
{
    public const string Domain = "dapr.io";
    private const string Trailer = "grpc-status-details-bin";

    public static RpcException Of(ApiException failure)
    {
        var status = new Grpc.Core.Status(failure.Status, failure.Message);
        if (failure.Reason is null) return new RpcException(status);
        var info = new ErrorInfo { Reason = failure.Reason, Domain = Domain };
        var details = new Details.Status
        {
            Code = (int)failure.Status,
            Message = failure.Message,
            Details = { Any.Pack(info) },
        };
        return new RpcException(status, new Metadata { { Trailer, details.ToByteArray() } });
    }
}
