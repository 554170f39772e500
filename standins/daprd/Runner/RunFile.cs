using Daprd.Files;

namespace Daprd.Runner;

internal enum LogDestination
{
    Console,
    File,
    FileAndConsole,
}

/// <summary>One app of a run file, merged with the common section.</summary>
/// <param name="Source">The app's node in the file.</param>
/// <param name="HttpPort">Zero: any free port. Also for <paramref name="GrpcPort"/> and <paramref name="MetricsPort"/>.</param>
/// <param name="MetricsPort">Only passed to the app; the stand-in serves no metrics.</param>
internal sealed record RunApp(
    string AppId,
    string Folder,
    int AppPort,
    string AppProtocol,
    string AppHost,
    int HttpPort,
    int GrpcPort,
    int MetricsPort,
    IReadOnlyList<string> ResourcesPaths,
    IReadOnlyList<string> ConfigFiles,
    IReadOnlyList<string> ListenAddresses,
    string MaxBodySize,
    bool HealthCheck,
    int ProbeIntervalSeconds,
    int ProbeTimeoutMilliseconds,
    int HealthThreshold,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyList<string> Command,
    LogDestination AppLog,
    LogDestination SidecarLog,
    YamlNodeRef Source);

/// <summary>A <c>dapr.yaml</c>: the apps to run together.</summary>
/// <param name="Name">Empty: no name.</param>
internal sealed record RunFile(string Path, string Name, List<RunApp> Apps)
{
    private static readonly HashSet<string> SharedNames =
    [
        "configFilePath", "appProtocol", "apiListenAddresses", "enableProfiling", "logLevel", "appMaxConcurrency", "placementHostAddress",
        "schedulerHostAddress", "resourcesPath", "resourcesPaths", "appSSL", "maxBodySize", "readBufferSize", "enableAppHealthCheck",
        "appHealthCheckPath", "appHealthProbeInterval", "appHealthProbeTimeout", "appHealthThreshold", "enableApiLogging", "runtimePath", "env",
        "daprdLogDestination", "appLogDestination",
    ];

    private static readonly HashSet<string> AppNames =
    [
        .. SharedNames, "appDirPath", "appID", "appPort", "appChannelAddress", "daprHTTPPort", "daprGRPCPort", "daprInternalGRPCPort", "profilePort",
        "metricsPort", "unixDomainSocket", "command", "containerImage", "containerImagePullPolicy", "createService",
    ];

    /// <param name="resources">Replaces the resource folders of the file; empty: use the file's.</param>
    public static RunFile Read(string path, IReadOnlyList<string> resources, Action<string> warn)
    {
        var file = System.IO.Path.GetFullPath(Directory.Exists(path) ? System.IO.Path.Combine(path, "dapr.yaml") : path);
        if (!File.Exists(file)) throw new ConfigurationException($"{file}: there is no such file.");
        var root = YamlNodeRef.Documents(file).FirstOrDefault() ?? throw new ConfigurationException($"{file}: the file is empty.");
        if (root.Required("version").Integer() == 0) throw root.Required("version").Error("the version must be 1");
        var common = root.Field("common");
        if (common is not null) WarnOfUnknown(common, SharedNames, warn);
        var apps = new List<RunApp>();
        foreach (var node in root.Required("apps").Items())
        {
            WarnOfUnknown(node, AppNames, warn);
            var app = new Layers(node, common, System.IO.Path.GetDirectoryName(file)!).Read(resources);
            if (apps.Any(a => a.AppId == app.AppId)) throw node.Error($"there is already an app named {app.AppId}");
            apps.Add(app);
        }

        return apps.Count > 0 ? new RunFile(file, root.Field("name")?.Text() ?? "", apps) : throw root.Required("apps").Error("there is no app to run");
    }

    private static void WarnOfUnknown(YamlNodeRef node, HashSet<string> known, Action<string> warn)
    {
        foreach (var (name, value) in node.Fields())
        {
            if (!known.Contains(name)) warn(value.Error("unknown field, ignored (names are case-sensitive)").Message);
        }
    }

    /// <summary>Merges the fields of an app over the common ones.</summary>
    private sealed class Layers(YamlNodeRef app, YamlNodeRef? common, string root)
    {
        public RunApp Read(IReadOnlyList<string> resources)
        {
            var folder = Existing(app.Required("appDirPath"), root);
            return new RunApp(
                app.Field("appID")?.Text() is { Length: > 0 } id ? id : System.IO.Path.GetFileName(folder.TrimEnd('/')),
                folder,
                app.Field("appPort")?.Integer() ?? 0,
                Either("appProtocol")?.Text() ?? "http",
                app.Field("appChannelAddress")?.Text() is { Length: > 0 } host ? host : SidecarOptions.DefaultAppHost,
                app.Field("daprHTTPPort")?.Integer() ?? 0,
                app.Field("daprGRPCPort")?.Integer() ?? 0,
                app.Field("metricsPort")?.Integer() ?? 0,
                resources.Count > 0 ? [.. resources.Select(System.IO.Path.GetFullPath)] : Resources(folder),
                Configs(folder),
                (Either("apiListenAddresses")?.Text() ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
                Either("maxBodySize")?.Text() ?? "4Mi",
                Either("enableAppHealthCheck")?.Boolean() ?? false,
                Number("appHealthProbeInterval", 5),
                Number("appHealthProbeTimeout", 500),
                Number("appHealthThreshold", 3),
                Environment(),
                app.Texts("command"),
                Destination("appLogDestination", LogDestination.FileAndConsole),
                Destination("daprdLogDestination", LogDestination.File),
                app);
        }

        /// <summary>As in daprd, an empty value, 0 or false of an app does not override the common section.</summary>
        private YamlNodeRef? Either(string name) =>
            app.Field(name) is { } own && own.Text() is not ("" or "0" or "false") ? own : common?.Field(name) ?? app.Field(name);

        private int Number(string name, int absent) => Either(name)?.Integer() is { } number and not 0 ? number : absent;

        private Dictionary<string, string> Environment()
        {
            var all = common?.TextMap("env") ?? [];
            foreach (var (name, value) in app.TextMap("env")) all[name] = value;
            return all;
        }

        private List<string> Resources(string folder)
        {
            if (Folders(app, folder) is { Count: > 0 } own) return own;
            var beside = System.IO.Path.Combine(folder, ".dapr", "resources");
            if (Directory.Exists(beside)) return [beside];
            if (common is not null && Folders(common, root) is { Count: > 0 } shared) return shared;
            var home = Home("components");
            return Directory.Exists(home) ? [home] : [];
        }

        private static List<string> Folders(YamlNodeRef node, string from) =>
            [.. (node.Field("resourcesPaths")?.Items() ?? (node.Field("resourcesPath") is { } one ? [one] : [])).Select(p => Existing(p, from))];

        private List<string> Configs(string folder)
        {
            if (app.Field("configFilePath") is { } own) return [Existing(own, folder)];
            var beside = System.IO.Path.Combine(folder, ".dapr", "config.yaml");
            if (File.Exists(beside)) return [beside];
            if (common?.Field("configFilePath") is { } shared) return [Existing(shared, root)];
            var home = Home("config.yaml");
            return File.Exists(home) ? [home] : [];
        }

        private static string Home(string name) =>
            System.IO.Path.Combine(System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile), ".dapr", name);

        private LogDestination Destination(string name, LogDestination absent) => Either(name) switch
        {
            null => absent,
            var node => node.Text() switch
            {
                "console" => LogDestination.Console,
                "file" => LogDestination.File,
                "fileAndConsole" => LogDestination.FileAndConsole,
                _ => throw node.Error($"'{node.Text()}' is none of console, file and fileAndConsole"),
            },
        };

        private static string Existing(YamlNodeRef node, string from)
        {
            var path = System.IO.Path.GetFullPath(node.Text(), from);
            return File.Exists(path) || Directory.Exists(path) ? path : throw node.Error($"there is no {path}");
        }
    }
}
