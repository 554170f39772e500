using static Conformance.StateCalls;

namespace Conformance;

/// <summary>Component, subscription, policy and configuration files, and command line flags.</summary>
public sealed class ComponentFileTests : IAsyncLifetime
{
    private RedisServer redis = null!;

    public async Task InitializeAsync() => redis = await RedisServer.StartAsync();

    public async Task DisposeAsync() => await redis.DisposeAsync();

    [Theory]
    [InlineData("value: \"{appID}-x\"", "^app-x$")]
    [InlineData("value: \"{namespace}-x\"", "^shop.app-x$")]
    [InlineData("value: \"{uuid}\"", "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    [InlineData("value: \"{podName}\"", "^pod-1$")]
    [InlineData("value: {a: 1}", "^{\"a\":1}$")]
    [InlineData("value: 7", "^7$")]
    [InlineData("value: namespace", "^shop.app$")]
    [InlineData("envRef: PREFIX", "^from-variable$")]
    [InlineData("envRef: UNSET_PREFIX", "^$")]
    [InlineData("envRef: DAPR_PREFIX", "^$")]
    [InlineData("envRef: APP_API_TOKEN", "^$")]
    [InlineData("{value: given, envRef: PREFIX}", "^given$")]
    [InlineData("secretKeyRef: {name: SECRET}", "^from-secret$")]
    [InlineData("secretKeyRef: {name: SECRET, key: SECRET}", "^from-secret$")]
    [InlineData("secretKeyRef: {name: NO_SECRET}", "^$")]
    [InlineData("value: \"\"", "^$")]
    public async Task Metadata_values_are_resolved_from_file_environment_and_secrets(string prefix, string found)
    {
        var metadata = prefix.StartsWith('{') ? "{name: keyPrefix, " + prefix[1..] : "{name: keyPrefix, " + prefix + "}";
        var resources = $$"""
            ---
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: {name: store}
            auth: {secretStore: secrets}
            spec:
              type: state.Redis
              version: v1
              metadata:
              - {name: RedisHost, value: "{{redis.Address}}"}
              - {{metadata}}
            ---
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: {name: secrets}
            spec: {type: secretstores.local.env, version: v1, metadata: [{name: prefix, value: MY_}]}

            """;
        var environment = new Dictionary<string, string>
        {
            ["NAMESPACE"] = "shop", ["POD_NAME"] = "pod-1", ["PREFIX"] = "from-variable", ["DAPR_PREFIX"] = "hidden", ["APP_API_TOKEN"] = "hidden",
            ["MY_SECRET"] = "from-secret",
        };
        await using var sidecar = await Sidecar.StartAsync("app", resources, environment: environment);
        await sidecar.Dapr.SaveAsync("store", Item("k", "v"));
        var keys = (string[])(await redis.Database.ExecuteAsync("KEYS", "*"))!;
        Assert.Matches(found, Assert.Single(keys).Split("||")[0]);
    }

    [Fact]
    public async Task Only_resources_scoped_to_the_app_apply()
    {
        const string Subscriptions = """
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: mine}
            spec: {pubsubname: pubsub, topic: mine, routes: {default: /mine}}
            scopes: [app]
            ---
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: {name: theirs}
            spec: {pubsubname: pubsub, topic: theirs, routes: {default: /theirs}}
            scopes: [other]
            ---
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: {name: foreign}
            spec: {type: state.in-memory, version: v1}
            scopes: [other]

            """;
        await using var app = await TestApp.StartAsync();
        await using var sidecar = await Sidecar.StartAsync(
            "app", Yaml.Redis("pubsub", "pubsub.redis", redis, ("consumerID", "{appID}-group")) + Subscriptions,
            app.Port);
        var metadata = await sidecar.Dapr.GetMetadataAsync(new());
        Assert.Equal(("mine", "pubsub"), (Assert.Single(metadata.Subscriptions).Topic, Assert.Single(metadata.RegisteredComponents).Name));
        await sidecar.Dapr.PublishAsync("mine", "1");
        await app.NextAsync("mine");
        await redis.Database.AllAcknowledgedAsync("mine", "app-group");
    }

    [Theory]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: state.in-memory, metadata: [{name: x, value: \"{podName}\"}]}",
        "{podName} is used, but the environment variable POD_NAME is not set")]
    [InlineData(
        "kind: Component\nmetadata: {name: a}\nspec: {type: state.in-memory}\n---\nkind: Component\nmetadata: {name: a}\nspec: {type: pubsub.in-memory}",
        "line 5, top level: there is already a component named a")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: secretstores.local.file, metadata: [{name: secretsFile, value: nowhere}]}",
        "of a cannot be read")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: secretstores.local.file, metadata: [{name: multiValued, value: true}]}",
        "multiValued, which a asks for, is not in this stand-in")]
    [InlineData("kind: Component\nmetadata: {name: a}\nspec: {type: state.redis, metadata: [{name: redisHost, value: a}, {name: redisType, value: cluster}]}",
        "a asks for a Redis cluster or Sentinel")]
    public async Task An_invalid_component_file_is_reported_with_its_position(string file, string sentence)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "resource.yaml"), file);
        await using var sidecar = StandIn.Run(["--app-id", "app", "--resources-path", folder.FullName]);
        Assert.Equal(1, await sidecar.ExitAsync());
        Assert.Contains("resource.yaml, line ", sidecar.Output);
        Assert.Contains(sentence, sidecar.Output);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_category_of_a_component_type_is_case_sensitive()
    {
        await using var sidecar = Sidecar.Launch("app",
            "kind: Component\napiVersion: dapr.io/v1alpha1\nmetadata: {name: a}\nspec: {type: State.in-memory, version: v1}");
        Assert.Equal(1, await sidecar.Process.ExitAsync());
        Assert.Contains("incorrect type State.in-memory", sidecar.Process.Output);
    }

    [Fact]
    public async Task A_policy_that_is_not_the_first_document_of_its_file_is_ignored()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        app.OnTopic("work", Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus.Retry);
        var folder = Directory.CreateTempSubdirectory("daprd-");
        var pubsub = Yaml.Redis("pubsub", "pubsub.redis", redis);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "all.yaml"), pubsub + Yaml.Retries("pubsub", 3));
        await using var sidecar = await Sidecar.StartAsync("app", "", app.Port, ["--resources-path", folder.FullName]);
        await sidecar.Dapr.PublishAsync("work", "1");
        Assert.Equal(["work", "dead"], new[] { (await app.NextAsync()).Event.Topic, (await app.NextAsync()).Event.Topic });
        folder.Delete(recursive: true);
    }

    [StandInFact]
    public async Task Unsupported_policies_are_logged_with_their_position()
    {
        var policies = Yaml.Resiliency(
            "{circuitBreakers: {trips: {}}, timeouts: {soon: 1s}}",
            "{apps: {other: {timeout: soon}}, components: {pubsub: {outbound: {timeout: soon}, inbound: {circuitBreaker: trips}}}}");
        await using var sidecar = await Sidecar.StartAsync("app", policies);
        string[] places =
            ["policies.circuitBreakers", "targets.apps", "targets.components.pubsub.outbound", "targets.components.pubsub.inbound.circuitBreaker"];
        foreach (var place in places)
        {
            await sidecar.LogsAsync($"spec.{place}: this is not in this stand-in for daprd, and ignored");
        }
    }

    [Theory]
    [InlineData("kind: Configuration\nspec: {tracing: {samplingRate: \"$RATE\"}}",
        "line 2, spec.tracing.samplingRate: 'often' is not a sampling rate from 0 to 1")]
    [InlineData("kind: Configuration\nspec: {tracing: {zipkin: {endpointAddress: here}}}", "'here' is not the URL of a Zipkin")]
    public async Task An_invalid_configuration_is_reported_with_position_and_expanded_variables(string file, string sentence)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-");
        var config = Path.Combine(folder.FullName, "config.yaml");
        await File.WriteAllTextAsync(config, file);
        await using var sidecar = StandIn.Run(["--app-id", "app", "--config", config], new Dictionary<string, string> { ["RATE"] = "often" });
        Assert.Equal(1, await sidecar.ExitAsync());
        Assert.Contains("config.yaml, line ", sidecar.Output);
        Assert.Contains(sentence, sidecar.Output);
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("--app-id a.b", "contains a dot")]
    [InlineData("--dapr-grpc-port 50001", "--app-id is missing")]
    [InlineData("--app-id a --app-port 3500 --app-protocol grpc", "Port 3500 is given to the app a and to its sidecar")]
    [InlineData("--app-id a --app-port 65000", "set appProtocol (--app-protocol) to grpc")]
    [InlineData("--app-id a --app-protocol grpc --enable-app-health-check --app-health-probe-timeout 5001", "longer than its interval")]
    [InlineData("--app-id a --app-wort 1", "The flag --app-wort is unknown")]
    [InlineData("--app-id a --dapr-http-port many", "'many' of --dapr-http-port is not a whole number")]
    [InlineData("--app-id a --config", "The flag --config needs a value")]
    [InlineData("--app-id a --dapr-version 1.17.9", "'1.17.9' is not a version of Dapr from 1.18 on")]
    [InlineData("--app-id a --dapr-version edge", "'edge' is not a version of Dapr")]
    public async Task Invalid_flags_are_reported(string flags, string sentence)
    {
        await using var sidecar = StandIn.Run(flags.Split(' '));
        Assert.Equal(1, await sidecar.ExitAsync());
        Assert.Contains(sentence, sidecar.Output);
    }

    [Theory]
    [InlineData("--dapr-grpc-port")]
    [InlineData("--dapr-http-port")]
    public async Task A_taken_port_is_reported(string flag)
    {
        using var other = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, FreePort.Take());
        other.Start();
        var port = ((System.Net.IPEndPoint)other.LocalEndpoint).Port;
        var free = flag == "--dapr-grpc-port" ? "--dapr-http-port" : "--dapr-grpc-port";
        await using var sidecar = StandIn.Run(["-app-id=a", flag, $"{port}", free, $"{FreePort.Take()}"]);
        Assert.Equal(1, await sidecar.ExitAsync());
        Assert.Contains($"{port}", sidecar.Output);
        Assert.Contains("cannot both be opened", sidecar.Output);
    }
}
