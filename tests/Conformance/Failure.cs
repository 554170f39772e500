using Grpc.Core;

namespace Conformance;

/// <summary>Assertions about failed calls.</summary>
internal static class Failure
{
    public static async Task<RpcException> OfAsync(Func<Task> call) => await Assert.ThrowsAsync<RpcException>(call);

    public static async Task<RpcException> OfAsync<T>(AsyncUnaryCall<T> call) => await Assert.ThrowsAsync<RpcException>(async () => await call);

    /// <summary>Whether the ErrorInfo in the trailers has the reason.</summary>
    public static bool HasReason(this RpcException failure, string reason)
    {
        var details = failure.Trailers.GetValueBytes("grpc-status-details-bin") ?? [];
        var text = System.Text.Encoding.UTF8.GetString(details);
        return text.Contains("type.googleapis.com/google.rpc.ErrorInfo") && text.Contains(reason) && text.Contains("dapr.io");
    }
}
