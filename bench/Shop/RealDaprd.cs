using System.Diagnostics;
using Shared;

namespace Bench;

/// <summary>A daprd for each service, as `dapr run -f` starts them, but without the Dapr CLI, placement or a scheduler: nothing here needs those.</summary>
internal static class RealDaprd
{
    private static readonly (string AppId, string Project, string Port, string Http, string DaprGrpc, string DaprHttp)[] Services =
    [
        ("orders", "Orders", "5001", "8080", "50001", "3501"), ("stock", "Stock", "5002", "8082", "50002", "3502"),
        ("payments", "Payments", "5003", "8083", "50003", "3503"), ("coupons", "Coupons", "5004", "8084", "50004", "3504"),
    ];

    /// <summary>How the services of one instance and their sidecars are started, services first.</summary>
    /// <param name="daprd">The program.</param>
    /// <param name="folder">With the folder components.</param>
    /// <param name="ports">By the port in the project's dapr.yaml.</param>
    /// <param name="programOf">The built program of a project.</param>
    public static IReadOnlyList<(string Name, ProcessStartInfo Start)> GetProcesses(
        string daprd, DirectoryInfo folder, IReadOnlyDictionary<string, int> ports, Func<string, string> programOf) =>
    [
        .. Services.Select(service => (service.AppId, new ProcessStartInfo("dotnet", [programOf(service.Project)])
        {
            Environment =
            {
                ["APP_PORT"] = $"{ports[service.Port]}",
                ["HTTP_PORT"] = $"{ports[service.Http]}",
                ["DAPR_GRPC_PORT"] = $"{ports[service.DaprGrpc]}",
                ["DAPR_HTTP_PORT"] = $"{ports[service.DaprHttp]}",
            },
        })),
        .. Services.Select(service => ($"daprd {service.AppId}", new ProcessStartInfo(daprd,
        [
            "--app-id", service.AppId, "--app-port", $"{ports[service.Port]}", "--app-protocol", "grpc",
            "--dapr-grpc-port", $"{ports[service.DaprGrpc]}", "--dapr-http-port", $"{ports[service.DaprHttp]}",
            "--dapr-internal-grpc-port", $"{FreePort.Take()}", "--metrics-port", $"{FreePort.Take()}", "--dapr-listen-addresses", "127.0.0.1",
            "--resources-path", Path.Combine(folder.FullName, "components"), "--config", Path.Combine(folder.FullName, "components", "config.yaml"),
            "--enable-app-health-check", "--app-health-probe-interval", "1", "--app-health-probe-timeout", "500", "--app-health-threshold", "3",
            "--log-level", "warn",
        ])
        {
            // Sidecars find each other through a file, because multicast DNS needs a network.
            Environment = { ["DAPR_HOST_IP"] = "127.0.0.1" },
        })),
    ];

    /// <summary>Lets the sidecars of a folder find each other without multicast DNS.</summary>
    /// <param name="config">Dapr's Configuration, whose spec is at its end.</param>
    public static string WithNameResolution(string config, DirectoryInfo folder) => $"""
        {config.TrimEnd()}
          nameResolution:
            component: sqlite
            version: v1
            configuration:
              connectionString: {Path.Combine(folder.FullName, "names.db")}

        """;
}
