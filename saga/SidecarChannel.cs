using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;

namespace Saga;

/// <summary>The way to the sidecar beside this process, and through it to other apps.</summary>
/// <remarks>DAPR_GRPC_ENDPOINT or DAPR_GRPC_PORT say where it is, DAPR_API_TOKEN what it demands on every call.</remarks>
public sealed class SidecarChannel : IDisposable
{
    /// <summary>To look again for a process next door costs nothing; by itself gRPC would wait for up to two minutes.</summary>
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(1);

    private readonly GrpcChannel channel;

    public SidecarChannel()
    {
        var address = SettingOf("DAPR_GRPC_ENDPOINT") ?? $"http://127.0.0.1:{SettingOf("DAPR_GRPC_PORT") ?? "50001"}";
        channel = GrpcChannel.ForAddress(address, new() { InitialReconnectBackoff = FirstPause, MaxReconnectBackoff = LongestPause });
        Sidecar = SettingOf("DAPR_API_TOKEN") is { } token ? channel.Intercept(headers => With(headers, "dapr-api-token", token)) : channel.CreateCallInvoker();
    }

    /// <summary>Calls the sidecar itself.</summary>
    public CallInvoker Sidecar { get; }

    /// <summary>Calls another app by the name that its sidecar knows it under.</summary>
    public CallInvoker To(string appId) => Sidecar.Intercept(headers => With(headers, "dapr-app-id", appId));

    public void Dispose() => channel.Dispose();

    private static Metadata With(Metadata headers, string name, string value)
    {
        headers.Add(name, value);
        return headers;
    }

    private static string? SettingOf(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } said ? said : null;
}
