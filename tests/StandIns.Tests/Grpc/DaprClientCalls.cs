using Dapr;
using Dapr.Client;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using StandIns.Interop;
using Wire = Dapr.Client.Autogen.Grpc.v1;

namespace StandIns.GrpcTests;

public class DaprClientCalls
{
    [Fact]
    public async Task State_is_json_with_an_etag()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);
        var script = Script(server);
        script.State = new() { Data = ByteString.CopyFromUtf8("""{"name":"Ada","age":36}"""), Etag = "7" };

        Assert.Equal((new Person("Ada", 36), "7"), await dapr.GetStateAndETagAsync<Person>("store", "ada", ConsistencyMode.Strong));

        var asked = Assert.IsType<Wire.GetStateRequest>(script.Asked);
        Assert.Equal(("store", "ada"), (asked.StoreName, asked.Key));
        Assert.Equal(Wire.StateOptions.Types.StateConsistency.ConsistencyStrong, asked.Consistency);
        Assert.Equal(script.State.Data.ToByteArray(), (await dapr.GetByteStateAsync("store", "ada")).ToArray());
    }

    [Fact]
    public async Task A_missing_state_is_the_default_with_an_empty_etag()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);

        Assert.Equal((null, ""), await dapr.GetStateAndETagAsync<Person?>("store", "nobody"));
        Assert.Equal(0, (await dapr.GetByteStateAndETagAsync("store", "nobody")).Item1.Length);
    }

    [Fact]
    public async Task Many_states_are_read_in_one_call()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);
        Script(server).State = new() { Data = ByteString.CopyFromUtf8("1"), Etag = "3" };

        var items = await dapr.GetBulkStateAsync<int>("store", ["a", "b"], parallelism: null);

        Assert.Equal([("a", 1, "3"), ("b", 1, "3")], items.Select(item => (item.Key, item.Value, item.ETag)));
    }

    [Fact]
    public async Task A_saved_state_carries_its_etag_options_and_metadata()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);

        Assert.True(await dapr.TrySaveStateAsync(
            "store",
            "ada",
            new Person("Ada", 36),
            "7",
            new StateOptions { Concurrency = ConcurrencyMode.FirstWrite },
            new Dictionary<string, string> { ["ttlInSeconds"] = "60" }));

        Assert.Equal(
            new Wire.SaveStateRequest
            {
                StoreName = "store",
                States =
                {
                    new Wire.StateItem
                    {
                        Key = "ada",
                        Value = ByteString.CopyFromUtf8("""{"name":"Ada","age":36}"""),
                        Etag = new() { Value = "7" },
                        Options = new() { Concurrency = Wire.StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite },
                        Metadata = { ["ttlInSeconds"] = "60" },
                    },
                },
            },
            Script(server).Asked);
    }

    [Fact]
    public async Task A_lost_race_is_false_and_any_other_failure_is_an_exception()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);
        var script = Script(server);

        script.Failure = new Status(StatusCode.Aborted, "possible etag mismatch");
        Assert.False(await dapr.TrySaveStateAsync("store", "key", 1, "7"));
        Assert.False(await dapr.TrySaveByteStateAsync("store", "key", new byte[1], "7"));
        Assert.False(await dapr.TryDeleteStateAsync("store", "key", "7"));
        await Assert.ThrowsAsync<DaprException>(() => dapr.SaveStateAsync("store", "key", 1));

        script.Failure = new Status(StatusCode.Internal, "failed to set key");
        var e = await Assert.ThrowsAsync<DaprException>(() => dapr.TrySaveStateAsync("store", "key", 1, "7"));
        Assert.Equal("failed to set key", Assert.IsType<RpcException>(e.InnerException).Status.Detail);
    }

    [Fact]
    public async Task A_state_that_is_not_the_json_asked_for_is_an_exception()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);
        Script(server).State = new() { Data = ByteString.CopyFromUtf8("{") };

        await Assert.ThrowsAsync<DaprException>(() => dapr.GetStateAsync<Person>("store", "ada"));
    }

    [Fact]
    public async Task An_event_is_published_as_json_or_as_the_bytes_it_is()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);
        var metadata = new Dictionary<string, string> { ["cloudevent.id"] = "1" };
        var expected = new Wire.PublishEventRequest
        {
            PubsubName = "pubsub",
            Topic = "topic",
            Data = ByteString.CopyFromUtf8("""{"name":"Ada","age":36}"""),
            DataContentType = "application/json",
            Metadata = { metadata },
        };

        await dapr.PublishEventAsync("pubsub", "topic", new Person("Ada", 36), metadata);
        Assert.Equal(expected, Script(server).Asked);

        await dapr.PublishByteEventAsync("pubsub", "topic", expected.Data.ToByteArray(), metadata: metadata);
        Assert.Equal(expected, Script(server).Asked);
    }

    [Fact]
    public async Task A_bulk_of_events_says_which_of_them_failed()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);

        var response = await dapr.BulkPublishEventAsync("pubsub", "topic", ["a", "b", "c"]);

        var failed = Assert.Single(response.FailedEntries);
        Assert.Equal(("b", "full"), (failed.Entry.EventData, failed.ErrorMessage));
    }

    [Fact]
    public async Task The_token_goes_with_every_request()
    {
        await using var server = await StartAsync();
        using var dapr = new DaprClientBuilder().UseGrpcEndpoint(server.Address.ToString()).UseDaprApiToken("secret").Build();

        Assert.Equal("orders", (await dapr.GetMetadataAsync()).Id);

        Assert.Equal("secret", Script(server).Headers.GetValue("dapr-api-token"));
    }

    [Fact]
    public async Task An_invocation_names_the_application_and_leaves_the_callers_headers_alone()
    {
        await using var server = await StartAsync();
        Metadata? seen = null;
        server.Script.Empty = (request, context) =>
        {
            seen = context.RequestHeaders;
            return Task.FromResult(request);
        };
        var client = new Interop.Interop.InteropClient(DaprClient.CreateInvocationInvoker("stock", server.Address.ToString(), "secret"));
        var own = new Metadata { { "own", "1" } };

        await client.EmptyAsync(new Nothing(), own);
        await client.EmptyAsync(new Nothing(), own);

        Assert.Equal(["1", "stock", "secret"], new[] { "own", "dapr-app-id", "dapr-api-token" }.Select(key => seen!.GetAll(key).Single().Value));
        Assert.Single(own);
    }

    [Fact]
    public async Task A_cancelled_operation_is_cancelled()
    {
        await using var server = await StartAsync();
        using var dapr = Client(server);

        await Assert.ThrowsAsync<OperationCanceledException>(
            () => dapr.GetStateAsync<int>("store", "key", cancellationToken: new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task A_sidecar_that_is_not_there_is_not_healthy()
    {
        using var dapr = new DaprClientBuilder().UseHttpEndpoint("http://127.0.0.1:1").UseGrpcEndpoint("http://127.0.0.1:1").Build();

        Assert.False(await dapr.CheckHealthAsync());
        Assert.False(await dapr.CheckOutboundHealthAsync());
        var e = await Assert.ThrowsAsync<DaprException>(() => dapr.GetStateAsync<int>("store", "key"));
        Assert.Equal(StatusCode.Unavailable, Assert.IsType<RpcException>(e.InnerException).StatusCode);
    }

    [Fact]
    public async Task An_application_has_one_client()
    {
        var registered = new ServiceCollection();
        registered.AddDaprClient(builder => builder.UseGrpcEndpoint("http://127.0.0.1:1"));
        await using var services = registered.BuildServiceProvider();

        Assert.Same(services.GetRequiredService<DaprClient>(), services.GetRequiredService<DaprClient>());
    }

    private static Task<TestServer> StartAsync() => TestServer.StartAsync(
        services: services => services.AddSingleton<SidecarScript>(), map: app => app.MapGrpcService<FakeSidecar>());

    private static SidecarScript Script(TestServer server) => server.Services.GetRequiredService<SidecarScript>();

    private static DaprClient Client(TestServer server) => new DaprClientBuilder().UseGrpcEndpoint(server.Address.ToString()).Build();

    private sealed record Person(string Name, int Age);
}
