using System.Globalization;
using Daprd.App;
using Daprd.Files;

namespace Daprd;

/// <summary>The command line: daprd's flags, with one dash or two, and the value after a space or an equals sign.</summary>
internal sealed class Arguments
{
    private static readonly HashSet<string> Switches =
    [
        "embedded", "enable-app-health-check", "enable-api-logging", "enable-profiling", "enable-mtls", "enable-metrics", "app-ssl", "help", "version",
        "log-as-json",
    ];

    private static readonly HashSet<string> Flags =
    [
        "app-id", "app-port", "app-protocol", "app-channel-address", "app-max-concurrency", "dapr-http-port", "dapr-grpc-port", "dapr-internal-grpc-port",
        "dapr-internal-grpc-listen-address", "dapr-public-port", "dapr-listen-addresses", "metrics-port", "metrics-listen-address", "profile-port",
        "resources-path", "components-path", "config", "max-body-size", "read-buffer-size", "dapr-graceful-shutdown-seconds", "dapr-block-shutdown-duration",
        "log-level", "log-file", "mode", "sentry-address", "control-plane-trust-domain", "control-plane-namespace", "placement-host-address",
        "scheduler-host-address", "unix-domain-socket", "allowed-origins", "app-health-check-path", "app-health-probe-interval",
        "app-health-probe-timeout", "app-health-threshold", "disable-init-endpoints", "run-file", "peer", "names-folder", "dapr-version",
    ];

    private readonly Dictionary<string, List<string>> values = [];

    private Arguments()
    {
    }

    /// <summary>Throws <see cref="ConfigurationException"/> for an unknown flag.</summary>
    public static Arguments Parse(ReadOnlySpan<string> words)
    {
        var arguments = new Arguments();
        for (var i = 0; i < words.Length; i++)
        {
            if (!words[i].StartsWith('-')) throw new ConfigurationException($"'{words[i]}' is not understood; flags begin with two dashes.");
            var parts = words[i].TrimStart('-').Split('=', 2);
            var name = parts[0] == "f" ? "run-file" : parts[0];
            var isSwitch = Switches.Contains(name);
            if (!isSwitch && !Flags.Contains(name)) throw new ConfigurationException($"The flag --{name} is unknown to daprd and to this stand-in.");
            var value = parts.Length > 1 ? parts[1]
                : isSwitch ? "true"
                : ++i < words.Length ? words[i] : throw new ConfigurationException($"The flag --{name} needs a value.");
            if (!arguments.values.TryGetValue(name, out var values)) arguments.values[name] = values = [];
            values.Add(value);
        }

        return arguments;
    }

    public bool Has(string name) => this.values.TryGetValue(name, out var values) && values[^1] is "true" or "";

    public string Text(string name, string absent) => this.values.TryGetValue(name, out var values) ? values[^1] : absent;

    public IReadOnlyList<string> All(string name) => values.GetValueOrDefault(name) ?? [];

    public int Integer(string name, int absent) => !this.values.TryGetValue(name, out var values) ? absent
        : int.TryParse(values[^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
        : throw new ConfigurationException($"The value '{values[^1]}' of --{name} is not a whole number.");

    /// <summary>The options of a single sidecar.</summary>
    public SidecarOptions ToSidecarOptions() => new(
        Text("app-id", ""),
        Integer("app-port", 0),
        Text("app-protocol", "http"),
        Text("app-channel-address", SidecarOptions.DefaultAppHost),
        Integer("dapr-http-port", SidecarOptions.DefaultHttpPort),
        Integer("dapr-grpc-port", SidecarOptions.DefaultGrpcPort),
        Text("dapr-listen-addresses", "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        [.. All("resources-path"), .. All("components-path")],
        All("config"),
        ByteSize.Parse(Text("max-body-size", "4Mi")),
        new HealthSettings(
            Has("enable-app-health-check"),
            TimeSpan.FromSeconds(Integer("app-health-probe-interval", 5)),
            TimeSpan.FromMilliseconds(Integer("app-health-probe-timeout", 500)),
            Integer("app-health-threshold", 3)),
        SidecarOptions.EnvironmentApiToken,
        SidecarOptions.EnvironmentAppApiToken,
        Has("embedded"),
        Peers(),
        NamesFolder(),
        Environment.CurrentDirectory,
        TimeSpan.FromSeconds(Integer("dapr-graceful-shutdown-seconds", (int)SidecarOptions.DefaultShutdownLimit.TotalSeconds)),
        DaprVersion());

    /// <summary>The flag overrides the environment variable.</summary>
    public DaprVersion DaprVersion() =>
        Text("dapr-version", Environment.GetEnvironmentVariable(Daprd.DaprVersion.Variable) ?? "") is { Length: > 0 } asked
            ? Daprd.DaprVersion.Parse(asked)
            : Daprd.DaprVersion.Default;

    public string NamesFolder() => Text("names-folder", SidecarOptions.DefaultNamesFolder);

    /// <summary>Parses <c>app-id=host:port</c>, with the port of that sidecar's gRPC API.</summary>
    public Dictionary<string, string> Peers()
    {
        var peers = new Dictionary<string, string>();
        foreach (var peer in All("peer"))
        {
            var sides = peer.Split('=', 2);
            if (sides.Length != 2 || !Uri.TryCreate($"http://{sides[1]}", UriKind.Absolute, out _))
            {
                throw new ConfigurationException($"The value '{peer}' of --peer is not of the form app-id=host:port.");
            }
            peers[sides[0]] = sides[1];
        }

        return peers;
    }
}
