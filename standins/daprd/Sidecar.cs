using Dapr.Client.Autogen.Grpc.v1;
using Daprd.App;
using Daprd.Files;
using Daprd.Invocation;
using Daprd.PubSub;
using Daprd.State;
using Daprd.Tracing;

namespace Daprd;

/// <summary>The sidecar of one app: components, servers and subscriptions.</summary>
internal sealed class Sidecar : IAsyncDisposable
{
    private readonly Resources resources;
    private readonly SidecarLog log;
    private readonly SharedMemory memory;
    private readonly Components components = new();
    private readonly AppChannel? app;
    private readonly Subscriptions? subscriptions;
    private readonly SidecarServer server;
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task watch = Task.CompletedTask;

    /// <summary>Reads the sidecar's files without opening components. Throws <see cref="ConfigurationException"/> if a file is invalid.</summary>
    public Sidecar(SidecarOptions options, SharedMemory memory, LocalApps localApps, SidecarLog log)
    {
        Options = options;
        this.log = log;
        this.memory = memory;
        LocalApps = localApps;
        NameResolver = new NameResolver(options.NamesFolder);
        resources = Resources.Read(options.ResourcesPaths, options.AppId, log.Warn);
        Spans = new Spans(Configuration.Read(options.ConfigFiles, log.Warn), options.AppId, log.Warn);
        State = new StateApi();
        Publisher = new Publisher(options.AppId, TimeProvider.System);
        server = new SidecarServer(this);
        if (options.AppPort == 0) return;
        app = new AppChannel(options.AppPort);
        LocalApp = new LocalApp(app, options.AppApiToken, Spans);
        subscriptions = new Subscriptions(app, options.AppApiToken, Publisher, resources, Spans, log.Warn);
    }

    public SidecarOptions Options { get; }

    public StateApi State { get; }

    public Publisher Publisher { get; }

    public LocalApps LocalApps { get; }

    /// <summary>The app of this sidecar; null if it has none.</summary>
    public LocalApp? LocalApp { get; }

    public NameResolver NameResolver { get; }

    public Spans Spans { get; }

    /// <summary>Completes when the app's subscriptions are active or, without an app, when the servers listen.</summary>
    public Task Subscribed => subscribed.Task;

    /// <summary>Whether the app's port was reached. With health checks, its subscriptions may not be active yet.</summary>
    public bool IsReady => ready.Task.IsCompletedSuccessfully;

    /// <summary>The app's subscriptions; none before discovery and after a failed one.</summary>
    public IReadOnlyList<Subscription> Subscriptions => subscriptions?.Known ?? [];

    /// <summary>
    /// Opens the components and starts the servers; does not wait for the app. Throws <see cref="ConfigurationException"/> if the server of a
    /// component is unreachable.
    /// </summary>
    public async Task StartAsync()
    {
        await components.OpenAsync(resources.Components, Options, memory, State, Publisher, log.Warn);
        if (LocalApp is not null) LocalApps.Add(Options.AppId, LocalApp);
        await server.StartAsync();
        NameResolver.Register(Options.AppId, Options.GrpcPort);
        log.Info($"gRPC API on port {Options.GrpcPort}, HTTP API on port {Options.HttpPort}");
        watch = Task.Run(WatchAppAsync);
    }

    public GetMetadataResponse Describe()
    {
        var response = new GetMetadataResponse
        {
            Id = Options.AppId,
            RuntimeVersion = Options.Version.ToString(),
            ActorRuntime = new ActorRuntime { RuntimeStatus = ActorRuntime.Types.ActorRuntimeStatus.Disabled },
            RegisteredComponents =
            {
                components.Registered.Select(c => new RegisteredComponents
                {
                    Name = c.Component.Name, Type = c.Component.Type, Version = c.Component.Version, Capabilities = { c.Capabilities },
                }),
            },
            Subscriptions = { Subscriptions.Select(Describe) },
            Resiliencies = { resources.Policies.Select(file => new MetadataResiliency { Name = file.Name }) },
        };
        if (Options.AppPort == 0) return response;
        response.AppConnectionProperties = new AppConnectionProperties
        {
            Port = Options.AppPort, Protocol = Options.AppProtocol, ChannelAddress = SidecarOptions.AppHost,
        };
        if (!Options.Health.Enabled) return response;
        response.AppConnectionProperties.Health = new AppConnectionHealthProperties
        {
            HealthProbeInterval = GoDuration.Format(Options.Health.Interval),
            HealthProbeTimeout = GoDuration.Format(Options.Health.Timeout),
            HealthThreshold = Options.Health.Threshold,
        };
        return response;
    }

    /// <summary>Stops new deliveries. Running deliveries continue; if they fail now, they are not acknowledged.</summary>
    public void StopDeliveries()
    {
        if (stopping.IsCancellationRequested) return;
        stopping.Cancel();
        _ = subscriptions?.StopAsync();
        // Once it is true: a delivery that fails from now on is not acknowledged.
        log.Info("shutting down: no further deliveries, waiting for running ones");
    }

    /// <summary>Stops new deliveries, waits for running ones, then closes. False if that exceeded the shutdown limit.</summary>
    public async Task<bool> StopAsync()
    {
        try
        {
            StopDeliveries();
            await DisposeAsync().AsTask().WaitAsync(Options.ShutdownLimit);
            return true;
        }
        catch (TimeoutException)
        {
            log.Error($"graceful shutdown took longer than {Options.ShutdownLimit.TotalSeconds} s; running deliveries are abandoned");
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await watch;
        if (subscriptions is not null) await subscriptions.DisposeAsync();
        NameResolver.Forget(Options.AppId, Options.GrpcPort);
        if (LocalApp is not null) LocalApps.Remove(Options.AppId, LocalApp);
        await server.DisposeAsync();
        await components.DisposeAsync();
        app?.Dispose();
        Spans.Dispose();
    }

    private async Task WatchAppAsync()
    {
        try
        {
            if (app is null || subscriptions is null)
            {
                BecomeReady();
                subscribed.TrySetResult();
                return;
            }

            await app.WaitForPortAsync(stopping.Token);
            log.Info($"the app answers on port {Options.AppPort}");
            if (!Options.Health.Enabled)
            {
                await HealthChangedAsync(healthy: true);
                BecomeReady();
                return;
            }

            // Initialized does not mean subscribed: subscriptions start at the first successful probe.
            BecomeReady();
            await new AppHealth(app, Options.Health).WatchAsync(HealthChangedAsync, stopping.Token);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
        catch (Exception failure)
        {
            log.Error($"the app is no longer served: {failure.Message}");
            subscribed.TrySetException(failure);
        }
    }

    private async Task HealthChangedAsync(bool healthy)
    {
        if (!healthy)
        {
            log.Warn("the app is unhealthy");
            await subscriptions!.StopAsync();
            log.Warn("the subscriptions of an unhealthy app are stopped");
            return;
        }

        await subscriptions!.StartAsync(stopping.Token);
        log.Info($"subscribed to {string.Join(", ", Subscriptions.Select(s => s.Topic))}");
        subscribed.TrySetResult();
    }

    private void BecomeReady()
    {
        if (ready.TrySetResult()) log.Info("dapr initialized. Status: Running.");
    }

    private static PubsubSubscription Describe(Subscription subscription)
    {
        var described = new PubsubSubscription
        {
            PubsubName = subscription.PubSubName,
            Topic = subscription.Topic,
            DeadLetterTopic = subscription.DeadLetterTopic,
            Type = PubsubSubscriptionType.Programmatic,
            Rules = new PubsubSubscriptionRules { Rules = { new PubsubSubscriptionRule { Path = subscription.Path } } },
        };
        if (subscription.IsRaw) described.Metadata[Subscription.RawPayload] = "true";
        return described;
    }
}
