using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;

namespace Saga.Dapr;

/// <summary>The gRPC channel to the sidecar of this process, and through it to other apps.</summary>
/// <remarks>Configured by DAPR_GRPC_ENDPOINT or DAPR_GRPC_PORT, and by DAPR_API_TOKEN, which is sent with every call.</remarks>
public sealed class SidecarChannel : IDisposable
{
    /// <summary>Reconnect backoff. A local reconnect is cheap; gRPC's default grows to two minutes.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(1);

    private readonly GrpcChannel channel;

    public SidecarChannel()
    {
        var address = SettingOf("DAPR_GRPC_ENDPOINT") ?? $"http://127.0.0.1:{SettingOf("DAPR_GRPC_PORT") ?? "50001"}";
        channel = GrpcChannel.ForAddress(address, new() { InitialReconnectBackoff = FirstPause, MaxReconnectBackoff = LongestPause });
        Sidecar = SettingOf("DAPR_API_TOKEN") is { } token ? channel.Intercept(headers => With(headers, "dapr-api-token", token)) : channel.CreateCallInvoker();
    }

    /// <summary>For calls to the sidecar itself.</summary>
    public CallInvoker Sidecar { get; }

    /// <summary>For calls to another app, by its Dapr app id.</summary>
    public CallInvoker To(string appId) => Sidecar.Intercept(headers => With(headers, "dapr-app-id", appId));

    public void Dispose() => channel.Dispose();

    private static Metadata With(Metadata headers, string name, string value)
    {
        headers.Add(name, value);
        return headers;
    }

    private static string? SettingOf(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;
}
