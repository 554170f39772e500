using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Integration;

/// <summary>Starting and stopping: what cannot work is said in one sentence before anything runs, and nothing is left behind.</summary>
public sealed class StartTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("start-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task A_signal_stops_every_process_that_was_started()
    {
        var shop = new EmbeddedShop();
        await shop.InitializeAsync();
        var started = Descendants(shop.Runner.Id);
        Assert.InRange(started.Count, 4, 8);
        await shop.DisposeAsync();
        Assert.All(started, id => Assert.False(Directory.Exists($"/proc/{id}") && !IsZombie(id), $"process {id} is still there"));
    }

    [Fact]
    public async Task A_taken_port_is_named_with_its_app()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await RefusedAsync(Run($"    appPort: {port}"), $"{port}", "orders");
    }

    [Fact]
    public async Task A_Redis_that_is_not_there_is_named_with_what_to_do()
    {
        Component($"redisHost\n      value: localhost:{FreePort.Take()}");
        await RefusedAsync(Run(""), "Redis", "redis-server");
    }

    [Fact]
    public async Task A_component_file_that_is_wrong_is_named_with_its_line()
    {
        Component("redisHost\n      value: [oops");
        await RefusedAsync(Run(""), "store.yaml", "line");
    }

    [Fact]
    public async Task A_run_file_that_is_not_there_is_named()
    {
        await RefusedAsync(Path.Combine(folder.FullName, "nothing.yaml"), "nothing.yaml");
    }

    [Fact]
    public async Task A_service_whose_port_is_taken_says_so_in_one_sentence()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        await using var stock = ChildProcess.Start("dotnet", [RunningShop.ProgramOf("Stock")], new Dictionary<string, string> { ["APP_PORT"] = $"{port}" });
        Assert.Equal(1, await stock.ExitAsync());
        Assert.Contains($"{port}", stock.Output);
        Assert.Contains("APP_PORT", stock.Output);
        Assert.DoesNotContain("   at ", stock.Output);
    }

    private static async Task RefusedAsync(string runFile, params string[] names)
    {
        await using var runner = RunningShop.Daprd("run", "-f", runFile);
        Assert.Equal(1, await runner.ExitAsync());
        Assert.All(names, name => Assert.Contains(name, runner.Output));
        Assert.DoesNotContain("   at ", runner.Output);
        Assert.InRange(runner.Output.Trim().Split('\n').Length, 1, 2);
    }

    private void Component(string host) => File.WriteAllText(Path.Combine(folder.FullName, "store.yaml"), $"""
        apiVersion: dapr.io/v1alpha1
        kind: Component
        metadata:
          name: statestore
        spec:
          type: state.redis
          version: v1
          metadata:
            - name: {host}
        """);

    private string Run(string more)
    {
        var path = Path.Combine(folder.FullName, "dapr.yaml");
        File.WriteAllText(path, $"""
            version: 1
            apps:
              - appID: orders
                appDirPath: {folder.FullName}
                resourcesPaths: [{folder.FullName}]
                daprGRPCPort: {FreePort.Take()}
                daprHTTPPort: {FreePort.Take()}
                command: [sleep, "1000"]
            {more}
            """);
        return path;
    }

    private static List<int> Descendants(int parent)
    {
        var children = Process.GetProcesses().Select(process => process.Id).Where(id => ParentOf(id) == parent).ToList();
        return [.. children, .. children.SelectMany(Descendants)];
    }

    private static int? ParentOf(int id) => StatOf(id) is { } stat ? int.Parse(stat[1]) : null;

    private static bool IsZombie(int id) => StatOf(id) is not { } stat || stat[0] == "Z";

    /// <summary>State and parent, from what stands behind the program's name in parentheses.</summary>
    private static string[]? StatOf(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }
}
