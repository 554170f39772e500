using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Grpc.Core;
using Grpc.Net.Client;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static Conformance.StateCalls;

namespace Conformance;

/// <summary>Runs with several apps from one file. The apps are shell commands without a port unless the test assigns one.</summary>
public sealed class RunnerTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("run-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public async Task Each_app_gets_its_environment_its_folder_and_its_prefix()
    {
        Write("statestore.yaml", Yaml.Component("statestore", "state.in-memory"));
        var (grpc, http) = (FreePort.Take(), FreePort.Take());
        Write("dapr.yaml", $$"""
            version: 1
            common:
              resourcesPaths: [.]
              env: {SHARED: common, OWN: common}
              enableAppHealthCheck: true
            apps:
              - appID: one
                appDirPath: .
                daprGRPCPort: {{grpc}}
                daprHTTPPort: {{http}}
                enableAppHealthCheck: false
                env: {OWN: "app", APP_PROTOCOL: "the file wins"}
                command: [sh, -c, 'echo "$APP_ID $DAPR_GRPC_PORT $DAPR_HTTP_PORT $SHARED $OWN $APP_PROTOCOL $PWD"; exec sleep 1000']
            """);
        await using var run = Run();
        var line = await run.LineAsync("== APP - one ==");
        Assert.Equal($"== APP - one == one {grpc} {http} common app the file wins {folder.FullName}", line);
        await run.LineAsync("== DAPR == one is ready");
        await run.LineAsync("dapr initialized. Status: Running.");
        Assert.Single(Directory.GetFiles(Path.Combine(folder.FullName, ".dapr", "logs"), "one_app_*.log"), f => File.ReadAllText(f).Contains("common app"));
        Assert.Contains("dapr initialized", SidecarLog("one"));
    }

    [Fact]
    public async Task An_unknown_command_stops_the_run()
    {
        Write("dapr.yaml", """
            version: 1
            apps:
            - {appID: one, appDirPath: ., command: [sh, -c, 'echo "self $$"; exec sleep 1000']}
            - {appID: two, appDirPath: ., command: [no-such-command]}
            """);
        await using var run = Run();
        // Before the second app starts, with which the first ends.
        var one = int.Parse((await run.LineAsync("one was started with process id ")).Split("process id ")[1].Split(';')[0]);
        Assert.Equal(1, await run.ExitAsync());
        Assert.Contains("two ended with code 127 because there is no such command; everything is stopped", run.Output);
        await Poll.UntilAsync(() => !Directory.Exists($"/proc/{one}"));
    }

    [Fact]
    public async Task An_event_that_fails_because_the_run_ends_is_not_acknowledged()
    {
        await using var redis = await RedisServer.StartAsync();
        Write("pubsub.yaml", Yaml.Redis("pubsub", "pubsub.redis", redis));
        var (port, grpc) = (FreePort.Take(), FreePort.Take());
        Write("dapr.yaml", $$"""
            version: 1
            common: {resourcesPaths: [.]}
            apps:
            - {appID: one, appDirPath: ., appPort: {{port}}, appProtocol: grpc, daprGRPCPort: {{grpc}}}
            - {appID: other, appDirPath: ., command: [sh, -c, 'trap "echo ending; exit" TERM; while :; do sleep 0.01; done']}
            """);
        await using var run = Run();
        await using var app = await AppOnAsync(run, port, TestApp.Subscription("pubsub", "work"));
        var held = new TaskCompletionSource<TopicEventResponse>();
        app.OnTopic("work", _ => held.Task);
        using var channel = GrpcChannel.ForAddress($"http://localhost:{grpc}");
        await new DaprService.DaprClient(channel).PublishAsync("work", "1");
        await app.NextAsync("work");
        run.Signal("INT");
        await run.LineAsync("== APP - other == ending");
        held.SetException(new RpcException(new Status(StatusCode.Unavailable, "configured by the test")));
        Assert.Equal(0, await run.ExitAsync());
        Assert.Equal(1, await redis.Database.PendingAsync("work", "one"));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_ends_the_apps_with_their_child_processes(string signal)
    {
        var port = FreePort.Take();
        Write("dapr.yaml", $$"""
            version: 1
            apps:
              - appID: one
                appDirPath: .
                command: [sh, -c, 'sleep 1000 & echo "child $!"; wait']
              - appID: deaf
                appDirPath: .
                daprGRPCPort: {{port}}
                command: [sh, -c, 'trap "" TERM; echo "self $$"; sleep 1000; sleep 1000']
            """);
        await using var run = Run();
        var child = int.Parse((await run.LineAsync("child ")).Split(' ')[^1]);
        var deaf = int.Parse((await run.LineAsync("self ")).Split(' ')[^1]);
        run.Signal(signal);
        Assert.Equal(0, await run.ExitAsync());
        await Poll.UntilAsync(() => !Directory.Exists($"/proc/{child}") && !Directory.Exists($"/proc/{deaf}"));
        using var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
    }

    [Fact]
    public async Task Apps_of_a_killed_run_are_ended()
    {
        Write("dapr.yaml", """
            version: 1
            apps:
              - appID: one
                appDirPath: .
                command: [sh, -c, 'sleep 1000 & echo "child $!"; cat; echo "no input"; wait']
            """);
        await using var run = Run();
        await run.LineAsync("no input");
        using var child = Process.GetProcessById(int.Parse((await run.LineAsync("child ")).Split(' ')[^1]));
        run.Signal("KILL");
        await child.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.True(child.HasExited);
    }

    [Fact]
    public async Task Apps_of_one_run_share_their_in_memory_components()
    {
        Write("components.yaml", Yaml.Component("store", "state.in-memory", ("keyPrefix", "none")));
        var (one, two) = (FreePort.Take(), FreePort.Take());
        Write("dapr.yaml", $$"""
            version: 1
            common: {resourcesPaths: [.]}
            apps:
              - {appID: one, appDirPath: ., daprGRPCPort: {{one}}, command: [sleep, "1000"]}
              - {appID: two, appDirPath: ., daprGRPCPort: {{two}}, command: [sleep, "1000"]}
            """);
        await using var run = Run();
        await run.LineAsync("Status: Running.");
        using var channelOne = GrpcChannel.ForAddress($"http://localhost:{one}");
        using var channelTwo = GrpcChannel.ForAddress($"http://localhost:{two}");
        await new DaprService.DaprClient(channelOne).SaveAsync("store", Item("k", "shared"));
        Assert.Equal("shared", (await new DaprService.DaprClient(channelTwo).GetAsync("store", "k")).Value);
    }

    [Fact]
    public async Task Apps_of_one_id_take_turns_with_events_and_calls()
    {
        Write("pubsub.yaml", Yaml.Component("pubsub", "pubsub.in-memory"));
        var (grpc, one, two) = (FreePort.Take(), FreePort.Take(), FreePort.Take());
        Write("dapr.yaml", $$"""
            {version: 1, common: {resourcesPaths: [.], appProtocol: grpc}, apps: [{appID: caller, appDirPath: ., daprGRPCPort: {{grpc}}},
            {appID: twin, appDirPath: ., appPort: {{one}}}, {appID: twin, appDirPath: ., appPort: {{two}}}]}
            """);
        await using var run = Run();
        await run.LineAsync("is started elsewhere");
        await using var first = await TestApp.StartAsync(one, TestApp.Subscription("pubsub", "work"));
        await using var second = await AppOnAsync(run, two, TestApp.Subscription("pubsub", "work"));
        using var channel = GrpcChannel.ForAddress($"http://localhost:{grpc}");
        for (var at = 0; at < 2; at++) await new DaprService.DaprClient(channel).PublishAsync("work", "1");
        await Task.WhenAll(first.NextAsync("work"), second.NextAsync("work"));
        await first.StopAsync();
        async Task SayAsync() => await new Echo.EchoClient(channel).SayAsync(new EchoMessage(), new Metadata { { "dapr-app-id", "twin" } });
        bool[] failed = [await Record.ExceptionAsync(SayAsync) is RpcException, await Record.ExceptionAsync(SayAsync) is RpcException];
        Assert.NotEqual(failed[0], failed[1]);
    }

    [Fact]
    public async Task A_taken_port_prevents_the_start_of_a_run()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        Write("dapr.yaml", $$"""
            version: 1
            apps:
              - {appID: one, appDirPath: ., appPort: {{port}}, appProtocol: grpc, command: [touch, started]}
            """);
        var output = await FailsAsync();
        Assert.Contains($"Port {port}, the appPort of one, is already taken; end the process that has it, or choose another appPort", output);
        Assert.False(File.Exists(Path.Combine(folder.FullName, "started")));
    }

    [Fact]
    public async Task An_unreachable_redis_is_reported_with_a_hint()
    {
        var port = FreePort.Take();
        Write("statestore.yaml", Yaml.Component("statestore", "state.redis", ("redisHost", $"localhost:{port}")));
        Write("dapr.yaml", "{version: 1, common: {resourcesPaths: [.]}, apps: [{appID: one, appDirPath: ., command: [touch, started]}]}");
        var output = await FailsAsync();
        Assert.Contains(
            $"Redis, which the component statestore needs, does not answer at localhost:{port}; start one with 'redis-server', "
                + "or run without Redis by adding --embedded.",
            output);
        Assert.False(File.Exists(Path.Combine(folder.FullName, "started")));
        await using var embedded = Run("--embedded");
        await embedded.LineAsync("one is ready");
    }

    [Fact]
    public async Task An_app_that_exits_before_its_port_is_reachable_stops_the_run()
    {
        Write("dapr.yaml", $$"""
            version: 1
            apps:
              - {appID: one, appDirPath: ., command: [sleep, "1000"]}
              - {appID: two, appDirPath: ., appPort: {{FreePort.Take()}}, appProtocol: grpc, command: [sh, -c, "exit 3"]}
            """);
        Assert.Contains("two ended with code 3 before it could be reached", await FailsAsync());
    }

    [Theory]
    [InlineData("{version: 1, apps: [{appID: one}]}", "line 1, apps[0]: appDirPath is missing")]
    [InlineData("{version: 1, apps: [{appDirPath: nowhere}]}", "apps[0].appDirPath: there is no ")]
    [InlineData("{version: 1,\napps: [{appDirPath: .,\nappPort: many}]}", "line 3, apps[0].appPort: 'many' is not a whole number")]
    [InlineData("{version: 1, apps: [{appDirPath: ., appID: a, appPort: 65000}]}", "set appProtocol (--app-protocol) to grpc")]
    [InlineData("version: [", "this is not valid YAML")]
    [InlineData("apps: []", "version is missing")]
    public async Task An_invalid_run_file_is_reported_with_its_position(string file, string sentence)
    {
        Write("dapr.yaml", file);
        Assert.Contains(sentence, await FailsAsync());
    }

    [Theory]
    [InlineData("kind: Component\nspec: {type: state.in-memory}", "line 1, top level: metadata is missing")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: state.mongodb}", "component a is a state.mongodb, and this stand-in has only state.redis")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec:\n  type: state.redis\n  metadata:\n  - value: x", "line 6, spec.metadata[0]: name is missing")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: state.redis}", "redisHost of a is missing")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: pubsub.redis, metadata: [{name: redisHost, value: x}, {name: concurrency, value: many}]}",
        "concurrency of a is 'many', which is not a whole number")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: state.in-memory, metadata: [{name: x, envRef: X}]}",
        "spec.metadata[0].envRef: secrets and variables in component files are not in this stand-in")]
    [InlineData(
        "kind: Component\nmetadata: {name: a}\nspec: {type: state.in-memory}\n---\nkind: Component\nmetadata: {name: a}\nspec: {type: pubsub.in-memory}",
        "line 5, top level: there is already a component named a")]
    [InlineData("kind: Resiliency\nmetadata: {name: a}\nspec: {policies: {retries: {r: {policy: sometimes}}}}",
        "line 3, spec.policies.retries.r.policy: 'sometimes' is neither constant nor exponential")]
    [InlineData("kind: Resiliency\nmetadata: {name: a}\nspec: {targets: {components: {c: {inbound: {retry: r}}}}}", "there is no policy named r")]
    [InlineData("kind: Resiliency\nmetadata: {name: a}\nspec: {policies: {timeouts: {t: soon}}}", "spec.policies.timeouts.t: 'soon' is not a duration")]
    public async Task An_invalid_resource_is_reported_with_its_position(string file, string sentence)
    {
        Write("resource.yaml", file);
        Write("dapr.yaml", "{version: 1, common: {resourcesPaths: [.]}, apps: [{appID: one, appDirPath: ., command: [touch, started]}]}");
        var output = await FailsAsync();
        Assert.Contains("resource.yaml, line ", output);
        Assert.Contains(sentence, output);
        Assert.False(File.Exists(Path.Combine(folder.FullName, "started")));
    }

    [Fact]
    public async Task Unsupported_fields_of_a_configuration_are_logged_with_their_position()
    {
        Write("config.yaml",
            "kind: Configuration\nmetadata: {name: c}\nspec:\n  accessControl: {defaultAction: deny}\n  tracing: {otel: {endpointAddress: a}}");
        Write("dapr.yaml", "{version: 1, common: {configFilePath: config.yaml}, apps: [{appID: one, appDirPath: ., command: [sleep, '1000']}]}");
        await using var run = Run();
        await run.LineAsync("one is ready");
        Assert.Contains("config.yaml, line 4, spec.accessControl: this is not in this stand-in for daprd, and ignored", SidecarLog("one"));
        Assert.Contains("line 5, spec.tracing.otel: this is not in", SidecarLog("one"));
    }

    private string SidecarLog(string app) =>
        File.ReadAllText(Directory.GetFiles(Path.Combine(folder.FullName, ".dapr", "logs"), $"{app}_daprd_*.log").Single());

    /// <summary>Starts a test app after the run has checked that its port is free.</summary>
    private static async Task<TestApp> AppOnAsync(ChildProcess run, int port, params IEnumerable<TopicSubscription> subscriptions)
    {
        await run.LineAsync("is started elsewhere");
        var app = await TestApp.StartAsync(port, subscriptions);
        await run.LineAsync("Status: Running.");
        return app;
    }

    private void Write(string name, string content) => File.WriteAllText(Path.Combine(folder.FullName, name), content);

    private ChildProcess Run(string more = "", Dictionary<string, string>? environment = null)
    {
        List<string> words = ["run", "-f", folder.FullName, "--names-folder", Path.Combine(folder.FullName, "names")];
        if (more.Length > 0) words.Add(more);
        return StandIn.Run(words, environment);
    }

    private async Task<string> FailsAsync()
    {
        await using var run = Run();
        Assert.Equal(1, await run.ExitAsync());
        return run.Output;
    }
}
