using Daprd.App;

namespace Daprd;

/// <summary>The options of one sidecar; names and defaults are those of daprd's flags.</summary>
/// <param name="AppPort">Zero: no app.</param>
/// <param name="ListenAddresses">Empty: loopback addresses only.</param>
/// <param name="MaxBodyBytes">Maximum size of HTTP bodies and gRPC messages.</param>
/// <param name="ApiToken">The token that clients must send; empty: none.</param>
/// <param name="AppApiToken">The token that the sidecar sends to its app; empty: none.</param>
/// <param name="Embedded">Replaces Redis components by in-memory ones.</param>
/// <param name="Peers">Addresses of other sidecars, by app id.</param>
/// <param name="Folder">Base of relative paths in resource files.</param>
/// <param name="ShutdownLimit">Maximum time to wait for running deliveries at shutdown.</param>
/// <param name="NamesFolder">The folder through which sidecars on this machine find each other.</param>
/// <param name="Version">The version of daprd to emulate.</param>
internal sealed record SidecarOptions(
    string AppId,
    int AppPort,
    string AppProtocol,
    string AppHost,
    int HttpPort,
    int GrpcPort,
    IReadOnlyList<string> ListenAddresses,
    IReadOnlyList<string> ResourcesPaths,
    IReadOnlyList<string> ConfigFiles,
    int MaxBodyBytes,
    HealthSettings Health,
    string ApiToken,
    string AppApiToken,
    bool Embedded,
    IReadOnlyDictionary<string, string> Peers,
    string NamesFolder,
    string Folder,
    TimeSpan ShutdownLimit,
    DaprVersion Version)
{
    public const string DefaultAppHost = "127.0.0.1";
    public const int DefaultHttpPort = 3500;
    public const int DefaultGrpcPort = 50001;
    public const int DefaultMaxBodyBytes = 4 * 1024 * 1024;

    public static readonly TimeSpan DefaultShutdownLimit = TimeSpan.FromSeconds(5);

    public static string DefaultNamesFolder => Path.Combine(Path.GetTempPath(), $"daprd-names-{Environment.UserName}");

    public static string EnvironmentApiToken => Environment.GetEnvironmentVariable("DAPR_API_TOKEN") ?? "";

    public static string EnvironmentAppApiToken => Environment.GetEnvironmentVariable("APP_API_TOKEN") ?? "";

    /// <summary>An error message if the options are inconsistent or not supported; null if they are valid.</summary>
    public string? Problem() =>
        AppId.Length == 0 ? "--app-id is missing."
        : AppId.Contains('.') ? $"The app id '{AppId}' contains a dot, which Dapr does not allow."
        : AppPort != 0 && (AppPort == HttpPort || AppPort == GrpcPort)
            ? $"Port {AppPort} is given to the app {AppId} and to its sidecar; choose another for one of them."
        : AppPort != 0 && AppProtocol != "grpc"
            ? $"The app {AppId} has the protocol '{AppProtocol}', but this stand-in calls apps by grpc only; "
                + "set appProtocol (--app-protocol) to grpc."
        : Health.Enabled && Health.Timeout > Health.Interval ? $"The health probe timeout of {AppId} is longer than its interval."
        : null;
}
