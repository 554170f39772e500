using Grpc.Core;

namespace Conformance;

/// <summary>Assertions about failed calls.</summary>
internal static class Failure
{
    public static async Task<RpcException> OfAsync(Func<Task> call) => await Assert.ThrowsAsync<RpcException>(call);

    public static async Task<RpcException> OfAsync<T>(AsyncUnaryCall<T> call) => await Assert.ThrowsAsync<RpcException>(async () => await call);
}
