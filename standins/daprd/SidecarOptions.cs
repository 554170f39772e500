using Daprd.App;

namespace Daprd;

/// <summary>The options of one sidecar; names and defaults are those of daprd's flags.</summary>
/// <param name="AppPort">Zero: no app.</param>
/// <param name="Embedded">Replaces Redis components by in-memory ones.</param>
/// <param name="NamesFolder">The folder through which sidecars on this machine find each other.</param>
/// <param name="ShutdownLimit">Maximum time to wait for running deliveries at shutdown.</param>
/// <param name="Version">The version of daprd to emulate.</param>
internal sealed record SidecarOptions(
    string AppId,
    int AppPort,
    string AppProtocol,
    int HttpPort,
    int GrpcPort,
    IReadOnlyList<string> ResourcesPaths,
    IReadOnlyList<string> ConfigFiles,
    HealthSettings Health,
    bool Embedded,
    string NamesFolder,
    TimeSpan ShutdownLimit,
    DaprVersion Version)
{
    public const string AppHost = "127.0.0.1";
    public const int DefaultHttpPort = 3500;
    public const int DefaultGrpcPort = 50001;

    public static readonly TimeSpan DefaultShutdownLimit = TimeSpan.FromSeconds(5);

    public static string DefaultNamesFolder => Path.Combine(Path.GetTempPath(), $"daprd-names-{Environment.UserName}");

    /// <summary>The token that clients must send; empty: none.</summary>
    public string ApiToken { get; } = Environment.GetEnvironmentVariable("DAPR_API_TOKEN") ?? "";

    /// <summary>The token that the sidecar sends to its app; empty: none.</summary>
    public string AppApiToken { get; } = Environment.GetEnvironmentVariable("APP_API_TOKEN") ?? "";

    /// <summary>An error message if the options are inconsistent or not supported; null if they are valid.</summary>
    public string? Problem() =>
        AppId.Length == 0 ? "--app-id is missing."
        : AppId.Contains('.') ? $"The app id '{AppId}' contains a dot, which Dapr does not allow."
        : new[] { AppPort, HttpPort, GrpcPort }.FirstOrDefault(port => port is < 0 or > 65535) is not 0 and var port ? $"A port must be 1 to 65535, not {port}."
        : AppPort != 0 && (AppPort == HttpPort || AppPort == GrpcPort)
            ? $"Port {AppPort} is given to the app {AppId} and to its sidecar; choose another for one of them."
        : AppPort != 0 && AppProtocol != "grpc"
            ? $"The app {AppId} has the protocol '{AppProtocol}', but this stand-in calls apps by grpc only; "
                + "set appProtocol (--app-protocol) to grpc."
        : Health.Enabled && Health.Timeout > Health.Interval ? $"The health probe timeout of {AppId} is longer than its interval."
        : null;
}
