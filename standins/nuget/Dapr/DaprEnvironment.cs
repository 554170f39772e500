namespace Dapr.Client;

/// <summary>Where the sidecar is and how to be let in, as the process that started this one says.</summary>
internal static class DaprEnvironment
{
    public static string GrpcEndpoint => Variable("DAPR_GRPC_ENDPOINT") ?? $"http://127.0.0.1:{Variable("DAPR_GRPC_PORT") ?? "50001"}";

    public static string HttpEndpoint => Variable("DAPR_HTTP_ENDPOINT") ?? $"http://127.0.0.1:{Variable("DAPR_HTTP_PORT") ?? "3500"}";

    public static string? ApiToken => Variable("DAPR_API_TOKEN");

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
