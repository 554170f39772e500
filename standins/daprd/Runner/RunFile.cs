using Daprd.Files;

namespace Daprd.Runner;

/// <summary>One app of a run file, merged with the common section.</summary>
/// <param name="HttpPort">Zero: any free port. Also for <paramref name="GrpcPort"/>.</param>
/// <param name="Command">Empty: the app is started elsewhere.</param>
/// <param name="Source">The app's node in the file.</param>
internal sealed record RunApp(
    string AppId,
    string Folder,
    int AppPort,
    string AppProtocol,
    int HttpPort,
    int GrpcPort,
    IReadOnlyList<string> ResourcesPaths,
    IReadOnlyList<string> ConfigFiles,
    bool HealthCheck,
    int ProbeIntervalSeconds,
    int ProbeTimeoutMilliseconds,
    int HealthThreshold,
    IReadOnlyDictionary<string, string> Environment,
    IReadOnlyList<string> Command,
    YamlNodeRef Source);

/// <summary>A <c>dapr.yaml</c>: the apps to run together.</summary>
internal sealed record RunFile(List<RunApp> Apps)
{
    private static readonly HashSet<string> Shared =
    [
        // A sidecar of the stand-in never listens on more than this machine.
        "apiListenAddresses",
        "resourcesPaths", "configFilePath", "appProtocol", "enableAppHealthCheck", "appHealthProbeInterval", "appHealthProbeTimeout", "appHealthThreshold", "env",
    ];

    private static readonly HashSet<string> OfApp = [.. Shared, "appID", "appDirPath", "appPort", "daprHTTPPort", "daprGRPCPort", "command"];

    /// <param name="resources">Replaces the resource folders of the file; empty: use the file's.</param>
    public static RunFile Read(string path, IReadOnlyList<string> resources, Action<string> warn)
    {
        var file = Path.GetFullPath(Directory.Exists(path) ? Path.Combine(path, "dapr.yaml") : path);
        if (!File.Exists(file)) throw new ConfigurationException($"{file}: there is no such file.");
        var root = YamlNodeRef.Documents(file).FirstOrDefault() ?? throw new ConfigurationException($"{file}: the file is empty.");
        if (root.Required("version").Integer() != 1) throw root.Required("version").Error("the version must be 1");
        var common = root.Field("common");
        if (common is not null) WarnOfUnknown(common, Shared, warn);
        var apps = new List<RunApp>();
        foreach (var node in root.Required("apps").Items())
        {
            WarnOfUnknown(node, OfApp, warn);
            // Several of one app id are instances of one app.
            apps.Add(new Layers(node, common, Path.GetDirectoryName(file)!).Read(resources));
        }

        return apps.Count > 0 ? new RunFile(apps) : throw root.Required("apps").Error("there is no app to run");
    }

    private static void WarnOfUnknown(YamlNodeRef node, HashSet<string> known, Action<string> warn)
    {
        foreach (var (name, value) in node.Fields())
        {
            if (!known.Contains(name)) warn(value.Error("this is not in this stand-in for 'dapr run', and ignored (names are case-sensitive)").Message);
        }
    }

    /// <summary>Merges the fields of an app over the common ones.</summary>
    private sealed class Layers(YamlNodeRef app, YamlNodeRef? common, string root)
    {
        public RunApp Read(IReadOnlyList<string> resources)
        {
            var folder = Existing(app.Required("appDirPath"), root);
            return new RunApp(
                app.Field("appID")?.Text() is { Length: > 0 } id ? id : Path.GetFileName(folder.TrimEnd('/')),
                folder,
                app.Field("appPort")?.Integer() ?? 0,
                Either("appProtocol")?.Text() ?? "http",
                app.Field("daprHTTPPort")?.Integer() ?? 0,
                app.Field("daprGRPCPort")?.Integer() ?? 0,
                resources.Count > 0 ? [.. resources.Select(Path.GetFullPath)] : Paths("resourcesPaths", folder, node => node.Items()),
                Paths("configFilePath", folder, node => [node]),
                Either("enableAppHealthCheck")?.Boolean() ?? false,
                Number("appHealthProbeInterval", 5),
                Number("appHealthProbeTimeout", 500),
                Number("appHealthThreshold", 3),
                Environment(),
                app.Texts("command"),
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

        /// <summary>Paths of the app start at its folder, common ones at the folder of the run file.</summary>
        private List<string> Paths(string name, string folder, Func<YamlNodeRef, IEnumerable<YamlNodeRef>> items) =>
            app.Field(name) is { } own ? [.. items(own).Select(path => Existing(path, folder))]
            : common?.Field(name) is { } shared ? [.. items(shared).Select(path => Existing(path, root))]
            : [];

        private static string Existing(YamlNodeRef node, string from)
        {
            if (node.Text() is not { Length: > 0 } text || text.Contains('\0')) throw node.Error("a path is expected here");
            var path = Path.GetFullPath(text, from);
            return Path.Exists(path) ? path : throw node.Error($"there is no {path}");
        }
    }
}
