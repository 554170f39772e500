using System.ComponentModel;
using System.Globalization;
using Daprd.App;
using Daprd.Files;
using Daprd.Invocation;

namespace Daprd.Runner;

/// <summary>Runs the apps of a run file and their sidecars, all sidecars in this process.</summary>
internal sealed class Run(RunFile file, Arguments arguments, PrefixedConsole console)
{
    // Exit codes of a shell for a command that it cannot run.
    private const int NotExecutable = 126, NotFound = 127;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly SharedMemory memory = new();
    private readonly LocalApps localApps = new();
    private readonly List<Running> running = [];
    private readonly TaskCompletionSource<int> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed record Running(RunApp App, Sidecar Sidecar, RunLog Log)
    {
        public AppProcess? Process { get; set; }
    }

    /// <summary>Returns the exit code when all started processes have ended.</summary>
    public async Task<int> RunAsync(CancellationToken ct)
    {
        using var stopped = ct.Register(() => ended.TrySetResult(0));
        try
        {
            // Read all files and check all ports before the first start.
            foreach (var app in Ports.Assign(file.Apps)) this.running.Add(Prepare(app));
            foreach (var running in this.running) await running.Sidecar.StartAsync();
            foreach (var running in this.running) StartApp(running);
            _ = WatchAsync();
            return await ended.Task;
        }
        finally
        {
            await StopAsync();
        }
    }

    private Running Prepare(RunApp app)
    {
        var options = new SidecarOptions(
            app.AppId, app.AppPort, app.AppProtocol, app.HttpPort, app.GrpcPort, app.ResourcesPaths, app.ConfigFiles,
            new HealthSettings(
                app.HealthCheck, TimeSpan.FromSeconds(app.ProbeIntervalSeconds), TimeSpan.FromMilliseconds(app.ProbeTimeoutMilliseconds), app.HealthThreshold),
            arguments.Has("embedded"), arguments.NamesFolder(), SidecarOptions.DefaultShutdownLimit, arguments.DaprVersion());
        if (options.Problem() is { } problem) throw app.Source.Error(problem);
        var log = new RunLog(app, console, TimeProvider.System.GetLocalNow().DateTime);
        var sidecar = new Sidecar(options, memory, localApps, log.Sidecar);
        return new Running(app, sidecar, log);
    }

    private void StartApp(Running running)
    {
        var app = running.App;
        if (app.Command.Count == 0)
        {
            console.Dapr($"{app.AppId} is started elsewhere; its gRPC port is {app.GrpcPort}, its HTTP port {app.HttpPort}");
            return;
        }

        // The variables of the run file override these.
        var environment = new Dictionary<string, string>
        {
            ["APP_ID"] = app.AppId,
            ["APP_PROTOCOL"] = app.AppProtocol,
            ["DAPR_HTTP_PORT"] = app.HttpPort.ToString(CultureInfo.InvariantCulture),
            ["DAPR_GRPC_PORT"] = app.GrpcPort.ToString(CultureInfo.InvariantCulture),
        };
        if (app.AppPort != 0) environment["APP_PORT"] = app.AppPort.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, value) in app.Environment) environment[name] = value;
        try
        {
            running.Process = AppProcess.Start(app.Command, app.Folder, environment, running.Log.App);
        }
        catch (Win32Exception failure)
        {
            throw new ConfigurationException($"The app {app.AppId} cannot be started: {failure.Message}");
        }

        console.Dapr($"{app.AppId} was started with process id {running.Process.Id}; its gRPC port is {app.GrpcPort}, its HTTP port {app.HttpPort}");
    }

    private async Task WatchAsync()
    {
        try
        {
            var exits = running.Where(r => r.Process is not null).Select(WatchProcessAsync).ToList();
            await Task.WhenAll(running.Select(AnnounceAsync));
            console.Dapr("dapr initialized. Status: Running.");
            if (exits.Count == 0) return;
            var codes = await Task.WhenAll(exits);
            ended.TrySetResult(codes.All(code => code == 0) ? 0 : 1);
        }
        catch (Exception failure)
        {
            console.Dapr(failure.Message);
            ended.TrySetResult(1);
        }
    }

    private async Task<int> WatchProcessAsync(Running running)
    {
        var code = await running.Process!.WaitAsync();
        if (ended.Task.IsCompleted) return code;
        if (code is NotExecutable or NotFound || (running.App.AppPort != 0 && !running.Sidecar.IsReady))
        {
            var when = code is NotExecutable or NotFound ? "because there is no such command" : "before it could be reached";
            console.Dapr($"{running.App.AppId} ended with code {code} {when}; everything is stopped");
            ended.TrySetResult(1);
        }
        else
        {
            console.Dapr($"{running.App.AppId} ended with code {code}; its sidecar keeps running");
        }

        return code;
    }

    private async Task AnnounceAsync(Running running)
    {
        await running.Sidecar.Subscribed;
        var topics = running.Sidecar.Subscriptions.Select(s => s.Topic).ToList();
        console.Dapr($"{running.App.AppId} is ready{(topics.Count > 0 ? $" and subscribed to {string.Join(", ", topics)}" : "")}");
    }

    private async Task StopAsync()
    {
        if (this.running.Any(r => r.Process is not null)) console.Dapr("stopping");
        // Stop the deliveries first, so that an event that fails because its app is terminating is not acknowledged.
        foreach (var running in this.running) running.Sidecar.StopDeliveries();
        await Task.WhenAll(this.running.Where(r => r.Process is not null).Select(r => r.Process!.StopAsync(Grace)));
        await Task.WhenAll(this.running.Select(r => r.Sidecar.StopAsync()));
        foreach (var running in this.running)
        {
            running.Process?.Dispose();
            running.Log.Dispose();
        }
    }
}
