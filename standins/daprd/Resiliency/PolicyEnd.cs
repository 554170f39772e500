using Grpc.Core;

namespace Daprd.Resiliency;

/// <summary>How a call of an app ends when its policy has given up.</summary>
internal static class PolicyEnd
{
    public static Status StatusOf(Exception failure) => failure switch
    {
        RpcException rpc => rpc.Status,
        TimeoutException timeout => new Status(StatusCode.DeadlineExceeded, timeout.Message),
        _ => new Status(StatusCode.Unknown, failure.Message),
    };
}
