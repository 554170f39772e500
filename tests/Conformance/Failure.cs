using Grpc.Core;

namespace Conformance;

/// <summary>How calls that must fail have failed.</summary>
internal static class Failure
{
    public static async Task<RpcException> OfAsync(Func<Task> call) => await Assert.ThrowsAsync<RpcException>(call);

    public static async Task<RpcException> OfAsync<T>(AsyncUnaryCall<T> call) => await Assert.ThrowsAsync<RpcException>(async () => await call);

    /// <summary>Whether the details in the trailers name the reason.</summary>
    public static bool HasReason(this RpcException failure, string reason)
    {
        var details = failure.Trailers.GetValueBytes("grpc-status-details-bin") ?? [];
        var text = System.Text.Encoding.UTF8.GetString(details);
        return text.Contains("type.googleapis.com/google.rpc.ErrorInfo") && text.Contains(reason) && text.Contains("dapr.io");
    }
}
