namespace Conformance;

/// <summary>Component, policy and configuration files, and command line flags.</summary>
public sealed class ComponentFileTests : OnOwnRedis
{
    [Fact]
    public async Task Only_components_scoped_to_the_app_apply()
    {
        var foreign = Yaml.Component("foreign", "state.in-memory") + "scopes: [other]\n";
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "mine"));
        await using var sidecar = await Sidecar.StartAsync("app", PubSub(("consumerID", "group")) + foreign, app.Port);
        Assert.Equal("pubsub", Assert.Single((await sidecar.Dapr.GetMetadataAsync(new())).RegisteredComponents).Name);
        await sidecar.Dapr.PublishAsync("mine", "1");
        await app.NextAsync("mine");
        await Redis.Database.AllAcknowledgedAsync("mine", "group");
    }

    [Fact]
    public async Task A_policy_that_is_not_the_first_document_of_its_file_is_ignored()
    {
        await using var app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "work", "dead"), TestApp.Subscription("pubsub", "dead"));
        app.OnTopic("work", Dapr.AppCallback.Autogen.Grpc.v1.TopicEventResponse.Types.TopicEventResponseStatus.Retry);
        var folder = Directory.CreateTempSubdirectory("daprd-");
        var pubsub = PubSub();
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
    [InlineData("kind: Configuration\nspec: {tracing: {samplingRate: often}}",
        "line 2, spec.tracing.samplingRate: 'often' is not a sampling rate from 0 to 1")]
    [InlineData("kind: Configuration\nspec: {tracing: {zipkin: {endpointAddress: here}}}", "'here' is not the URL of a Zipkin")]
    public async Task An_invalid_configuration_is_reported_with_its_position(string file, string sentence)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-");
        var config = Path.Combine(folder.FullName, "config.yaml");
        await File.WriteAllTextAsync(config, file);
        await using var sidecar = StandIn.Run(["--app-id", "app", "--config", config]);
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
    [InlineData("--app-id a --app-wort 1", "The flag --app-wort is not in this stand-in")]
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
}
