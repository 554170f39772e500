using Daprd.App;

namespace Daprd;

/// <summary>What one sidecar is told at its start; names and defaults are those of daprd's flags.</summary>
/// <param name="AppPort">Zero when the app is never called.</param>
/// <param name="ListenAddresses">Empty listens on the loopback addresses only.</param>
/// <param name="MaxBodyBytes">Of HTTP bodies and of the messages of the sidecar's own API.</param>
/// <param name="ApiToken">What callers must show; empty asks for nothing.</param>
/// <param name="AppApiToken">What the sidecar shows to its app; empty shows nothing.</param>
/// <param name="Embedded">Redis components are replaced by their in-memory siblings.</param>
/// <param name="Peers">Addresses of sidecars elsewhere, by app id.</param>
/// <param name="Folder">Where relative paths within resource files begin.</param>
/// <param name="ShutdownLimit">How long the sidecar may take to end what is under way.</param>
/// <param name="NamesFolder">Where sidecars on this machine leave their addresses for each other.</param>
/// <param name="Version">The daprd that is played.</param>
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

    /// <summary>A sentence when the options contradict each other or ask for what is not there; null when they are fine.</summary>
    public string? Problem() =>
        AppId.Length == 0 ? "--app-id is missing."
        : AppId.Contains('.') ? $"The app id '{AppId}' contains a dot, which Dapr does not allow."
        : AppPort != 0 && (AppPort == HttpPort || AppPort == GrpcPort) ? $"Port {AppPort} is given to the app {AppId} and to its sidecar; choose another for one of them."
        : AppPort != 0 && AppProtocol != "grpc" ? $"The app {AppId} has the protocol '{AppProtocol}', but this stand-in calls apps by grpc only; set appProtocol (--app-protocol) to grpc."
        : Health.Enabled && Health.Timeout > Health.Interval ? $"The health probe timeout of {AppId} is longer than its interval."
        : null;
}
