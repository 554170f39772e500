using System.Net;
using System.Net.Sockets;
using Dapr.Client;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Shop.V1;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Tests;

/// <summary>A service is ready when its sidecar can be called and will deliver; a scheduler it does not need.</summary>
public sealed class ReadinessTests : IDisposable
{
    private readonly HttpListener sidecar = new();
    private readonly DaprClient dapr;
    private readonly SubscriptionDiscovery probe = new();
    private readonly Metadata metadata = new();
    private readonly List<string> asked = [];
    private readonly ApplicationLifetime lifetime = new(NullLogger<ApplicationLifetime>.Instance);
    private ComponentProbe? components;
    private MemorySidecar store = new();
    private HttpStatusCode outbound = HttpStatusCode.NoContent;
    private bool isFrozen;

    public ReadinessTests()
    {
        var address = $"http://127.0.0.1:{FreePort.Take()}/";
        sidecar.Prefixes.Add(address);
        sidecar.Start();
        dapr = new DaprClientBuilder().UseHttpEndpoint(address).Build();
        _ = ServeAsync();
    }

    public void Dispose()
    {
        dapr.Dispose();
        sidecar.Close();
    }

    [Fact]
    public async Task Without_a_scheduler_it_is_ready_once_the_subscriptions_were_read()
    {
        Assert.Equal(HealthStatus.Unhealthy, (await CheckAsync()).Status);
        probe.SetRead();
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
        Assert.All(asked, path => Assert.Equal("/v1.0/healthz/outbound", path));
    }

    [Fact]
    public async Task A_sidecar_that_cannot_be_called_yet_is_not_ready()
    {
        probe.SetRead();
        outbound = HttpStatusCode.InternalServerError;
        var seen = await CheckAsync();
        Assert.Equal(HealthStatus.Unhealthy, seen.Status);
        Assert.Contains("sidecar", seen.Description);
    }

    [Fact]
    public async Task A_service_that_is_stopping_is_not_ready()
    {
        probe.SetRead();
        lifetime.StopApplication();
        var seen = await CheckAsync();
        Assert.Equal((HealthStatus.Unhealthy, "The service is stopping."), (seen.Status, seen.Description));
    }

    [Fact]
    public async Task A_frozen_sidecar_is_not_waited_for()
    {
        probe.SetRead();
        isFrozen = true;
        var seen = await CheckAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(HealthStatus.Unhealthy, seen.Status);
        Assert.Contains("does not answer", seen.Description);
    }

    [Theory]
    [InlineData("statestore", "", "no component 'statestore'", "components/statestore.yaml", "metadata.name", "scopes has 'stock'")]
    [InlineData("pubsub", "", "no component 'pubsub'", "components/pubsub.yaml", "metadata.name", "scopes has 'stock'")]
    [InlineData("statestore", "pubsub.redis", "'statestore' is a pubsub.redis", "spec.type in components/statestore.yaml", "state.*")]
    [InlineData("pubsub", "state.redis", "'pubsub' is a state.redis", "spec.type in components/pubsub.yaml", "pubsub.*")]
    [InlineData("statestore", "state.sftp", "'statestore' is a state.sftp, which cannot compare ETags", "spec.type in components/statestore.yaml")]
    public async Task A_component_that_is_missing_or_unfit_is_named_with_its_file_and_field(string name, string type, params string[] sentence)
    {
        probe.SetRead();
        // The store would also answer, in other words, that it is not there.
        store = new() { Fault = StoreFault.IsAway };
        var component = metadata.Components.Single(component => component.Name == name);
        component.Capabilities.Clear();
        if (type.Length > 0) component.Type = type;
        else metadata.Components.Remove(component);
        var seen = await CheckAsync();
        Assert.Equal(HealthStatus.Unhealthy, seen.Status);
        Assert.All(sentence, part => Assert.Contains(part, seen.Description));
    }

    [Fact]
    public async Task A_sidecar_that_does_not_say_its_components_yet_is_asked_again_until_it_has()
    {
        probe.SetRead();
        metadata.IsAway = true;
        Assert.Contains("components it has: away", (await CheckAsync()).Description);
        metadata.IsAway = false;
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
        metadata.IsAway = true;
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
    }

    [Fact]
    public async Task The_subscriptions_of_a_sidecar_that_outlived_the_process_are_read_from_its_metadata()
    {
        metadata.Topics = ["order-created"];
        Assert.Contains("subscriptions", (await CheckAsync()).Description);
        metadata.Topics = ["order-created", "order-failed", "stock-dead-letters"];
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
        metadata.IsAway = true;
        Assert.Equal(HealthStatus.Unhealthy, (await CheckAsync()).Status);
    }

    [Theory]
    [InlineData(StoreFault.None, null)]
    [InlineData(StoreFault.LosesAnswers, null)]
    [InlineData(StoreFault.LastWriteWins, "lets two writers create the same document")]
    [InlineData(StoreFault.IgnoresETags, "accepts a write with an old ETag")]
    [InlineData(StoreFault.HasNoETags, "returns no ETag")]
    [InlineData(StoreFault.RefusesWrites, "refuses a new document")]
    [InlineData(StoreFault.IsAway, "'statestore' does not answer: the store is away")]
    public async Task A_store_without_optimistic_concurrency_is_named(StoreFault fault, string? problem)
    {
        probe.SetRead();
        store = new() { Fault = fault };
        var seen = await CheckAsync();
        Assert.Equal(problem is null ? HealthStatus.Healthy : HealthStatus.Unhealthy, seen.Status);
        if (problem is null) Assert.Empty(store.Keys);
        else Assert.Contains(problem, seen.Description);
    }

    [Fact]
    public async Task The_sidecar_of_another_app_is_named()
    {
        probe.SetRead();
        metadata.AppId = "orders";
        var seen = await CheckAsync();
        Assert.Equal(HealthStatus.Unhealthy, seen.Status);
        Assert.Contains("that of 'orders', and this service is 'stock'", seen.Description);
    }

    private Task<HealthCheckResult> CheckAsync()
    {
        var subscriptions = new Subscriptions().On<OrderCreatedEvent>((_, _) => Task.CompletedTask).On<OrderFailedEvent>((_, _) => Task.CompletedTask);
        components ??= new(metadata, new("stock"), NullLogger<ComponentProbe>.Instance);
        return new Readiness(dapr, metadata, subscriptions, probe, components, new StoreProbe(store, NullLogger<StoreProbe>.Instance), lifetime)
            .CheckHealthAsync(new());
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                var call = await sidecar.GetContextAsync();
                asked.Add(call.Request.Url!.AbsolutePath);
                if (isFrozen) continue;
                // As a daprd without a scheduler answers.
                call.Response.StatusCode = (int)(call.Request.Url.AbsolutePath == "/v1.0/healthz/outbound" ? outbound : HttpStatusCode.InternalServerError);
                call.Response.Close();
            }
        }
        catch (Exception closed) when (closed is HttpListenerException or ObjectDisposedException)
        {
        }
    }

    public enum StoreFault
    {
        None,
        LastWriteWins,
        IgnoresETags,
        HasNoETags,
        RefusesWrites,
        /// <summary>A write takes effect, and is reported as a conflict.</summary>
        LosesAnswers,
        IsAway,
    }

    /// <summary>Documents in memory, with one fault.</summary>
    private sealed class MemorySidecar : ISidecar
    {
        private readonly Dictionary<string, (object Value, int Version)> documents = [];

        public StoreFault Fault { get; init; }

        public IEnumerable<string> Keys => documents.Keys;

        public Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
        {
            if (Fault == StoreFault.IsAway) throw new global::Dapr.DaprException("the store is away");
            return Task.FromResult(documents.TryGetValue(key, out var kept)
                ? new Versioned<T>(key, (T)kept.Value, Fault == StoreFault.HasNoETags ? "" : $"{kept.Version}")
                : new Versioned<T>(key, null, ""));
        }

        public Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
        {
            var exists = documents.TryGetValue(read.Key, out var kept);
            var isCurrent = read.ETag == (exists ? $"{kept.Version}" : "") || Fault == StoreFault.LastWriteWins || (Fault == StoreFault.IgnoresETags && read.ETag.Length > 0);
            if (!isCurrent || Fault == StoreFault.RefusesWrites) return Task.FromResult(false);
            documents[read.Key] = (value, kept.Version + 1);
            return Task.FromResult(Fault != StoreFault.LosesAnswers);
        }

        public Task DeleteAsync(string key, CancellationToken ct)
        {
            documents.Remove(key);
            return Task.CompletedTask;
        }

        public Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class => throw new NotSupportedException();

        public Task PublishAsync(OutgoingEvent e, CancellationToken ct) => throw new NotSupportedException();
    }

    private sealed class Metadata : DaprApi.DaprClient
    {
        public string AppId { get; set; } = "stock";

        public string[] Topics { get; set; } = [];

        public List<RegisteredComponents> Components { get; } =
        [
            new() { Name = "statestore", Type = "state.redis", Version = "v1", Capabilities = { "ETAG", "TRANSACTIONAL" } },
            new() { Name = "pubsub", Type = "pubsub.redis", Version = "v1" },
        ];

        public bool IsAway { get; set; }

        public override AsyncUnaryCall<GetMetadataResponse> GetMetadataAsync(
            GetMetadataRequest request, Grpc.Core.Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default)
        {
            var answer = IsAway
                ? Task.FromException<GetMetadataResponse>(new RpcException(new Status(StatusCode.Unavailable, "away")))
                : Task.FromResult(new GetMetadataResponse
                {
                    Id = AppId,
                    RegisteredComponents = { Components },
                    Subscriptions = { Topics.Select(topic => new PubsubSubscription { PubsubName = "pubsub", Topic = topic }) },
                });
            return new(answer, Task.FromResult(Grpc.Core.Metadata.Empty), () => Status.DefaultSuccess, () => Grpc.Core.Metadata.Empty, () => { });
        }
    }
}
