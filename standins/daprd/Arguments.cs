using System.Globalization;
using Daprd.App;
using Daprd.Files;

namespace Daprd;

/// <summary>The command line: daprd's flags, with one dash or two, and the value after a space or an equals sign.</summary>
internal sealed class Arguments
{
    private static readonly HashSet<string> Switches =
        ["embedded", "enable-app-health-check", "enable-api-logging", "enable-profiling", "enable-mtls", "enable-metrics", "log-as-json", "help", "version"];

    private static readonly HashSet<string> Flags =
    [
        "app-id", "app-port", "app-protocol", "dapr-http-port", "dapr-grpc-port", "resources-path", "config", "dapr-graceful-shutdown-seconds",
        "app-health-probe-interval", "app-health-probe-timeout", "app-health-threshold", "run-file", "names-folder", "dapr-version",
        // Read and ignored.
        "app-max-concurrency", "dapr-internal-grpc-port", "metrics-port", "profile-port", "log-level", "mode", "placement-host-address", "scheduler-host-address",
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
            if (!isSwitch && !Flags.Contains(name)) throw new ConfigurationException($"The flag --{name} is not in this stand-in for daprd.");
            var value = parts.Length > 1 ? parts[1]
                : isSwitch ? "true"
                : ++i < words.Length ? words[i] : throw new ConfigurationException($"The flag --{name} needs a value.");
            if (!arguments.values.TryGetValue(name, out var values)) arguments.values[name] = values = [];
            values.Add(value);
        }

        return arguments;
    }

    public bool Has(string name) => Text(name, "") == "true";

    public string Text(string name, string absent) => this.values.TryGetValue(name, out var values) ? values[^1] : absent;

    public IReadOnlyList<string> All(string name) => values.GetValueOrDefault(name) ?? [];

    /// <summary>The options of a single sidecar.</summary>
    public SidecarOptions ToSidecarOptions() => new(
        Text("app-id", ""),
        Integer("app-port", 0),
        Text("app-protocol", "http"),
        Integer("dapr-http-port", SidecarOptions.DefaultHttpPort),
        Integer("dapr-grpc-port", SidecarOptions.DefaultGrpcPort),
        All("resources-path"),
        All("config"),
        new HealthSettings(
            Has("enable-app-health-check"),
            TimeSpan.FromSeconds(Integer("app-health-probe-interval", 5)),
            TimeSpan.FromMilliseconds(Integer("app-health-probe-timeout", 500)),
            Integer("app-health-threshold", 3)),
        Has("embedded"),
        NamesFolder(),
        TimeSpan.FromSeconds(Integer("dapr-graceful-shutdown-seconds", (int)SidecarOptions.DefaultShutdownLimit.TotalSeconds)),
        DaprVersion());

    /// <summary>The flag overrides the environment variable.</summary>
    public DaprVersion DaprVersion() =>
        Text("dapr-version", Environment.GetEnvironmentVariable(Daprd.DaprVersion.Variable) ?? "") is { Length: > 0 } asked
            ? Daprd.DaprVersion.Parse(asked)
            : Daprd.DaprVersion.Default;

    public string NamesFolder() => Text("names-folder", SidecarOptions.DefaultNamesFolder);

    private int Integer(string name, int absent) => !this.values.TryGetValue(name, out var values) ? absent
        : int.TryParse(values[^1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number
        : throw new ConfigurationException($"The value '{values[^1]}' of --{name} is not a whole number.");
}
