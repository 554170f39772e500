using System.Collections.Concurrent;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.App;
using Daprd.Files;
using Daprd.Invocation;
using Daprd.PubSub;
using Daprd.State;
using Daprd.Tracing;

namespace Daprd;

/// <summary>One app's sidecar: its components, its two servers, and its subscriptions.</summary>
internal sealed class Sidecar : IAsyncDisposable
{
    private readonly Resources resources;
    private readonly SidecarLog log;
    private readonly SharedMemory memory;
    private readonly LocalApps localApps;
    private readonly NameResolver nameResolver;
    private readonly Components components = new();
    private readonly AppChannel? app;
    private readonly Subscriptions? subscriptions;
    private readonly SidecarServer server;
    private readonly CancellationTokenSource stopping = new();
    private readonly TaskCompletionSource ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task watch = Task.CompletedTask;

    /// <summary>Reads the sidecar's files; throws <see cref="ConfigurationException"/> when they are wrong. Nothing is opened yet.</summary>
    public Sidecar(SidecarOptions options, SharedMemory memory, LocalApps localApps, SidecarLog log)
    {
        Options = options;
        this.log = log;
        this.memory = memory;
        this.localApps = localApps;
        nameResolver = new NameResolver(options.NamesFolder, options.Peers);
        resources = Resources.Read(options.ResourcesPaths, options.AppId, options.Folder, log.Warn);
        Spans = new Spans(Configuration.Read(options.ConfigFiles, log.Warn), options.AppId, log.Warn);
        State = new StateApi();
        Publisher = new Publisher(options.AppId, TimeProvider.System);
        Proxy = new GrpcProxy(options, localApps, nameResolver, Spans);
        ExtendedMetadata = new() { ["daprRuntimeVersion"] = options.Version.ToString() };
        server = new SidecarServer(this);
        if (options.AppPort == 0) return;
        app = new AppChannel(options.AppHost, options.AppPort);
        subscriptions = new Subscriptions(app, options.AppApiToken, Publisher, resources, Spans, log.Warn, TimeProvider.System);
    }

    public SidecarOptions Options { get; }

    public StateApi State { get; }

    public Publisher Publisher { get; }

    public GrpcProxy Proxy { get; }

    public Spans Spans { get; }

    public ConcurrentDictionary<string, string> ExtendedMetadata { get; }

    /// <summary>Completes when the app's subscriptions are active; without an app, when the servers are up.</summary>
    public Task Subscribed => subscribed.Task;

    /// <summary>Whether the app was reached. The subscriptions of one whose health is checked may not be active yet.</summary>
    public bool IsReady => ready.Task.IsCompletedSuccessfully;

    /// <summary>The app's subscriptions; before discovery, and when discovery fails, those that the files declare.</summary>
    public IReadOnlyList<Subscription> Subscriptions => subscriptions?.Known ?? [.. resources.Subscriptions.Select(file => file.Subscription)];

    /// <summary>Raised when somebody asks the sidecar to end; the argument is true when it is to end at once and with code 1.</summary>
    public event Action<bool>? ShutdownRequested;

    /// <summary>Opens the components and starts the servers; the app need not be there. Throws <see cref="ConfigurationException"/> when a server is missing.</summary>
    public async Task StartAsync()
    {
        await components.OpenAsync(resources.Components, Options, memory, State, Publisher, log.Warn);
        if (app is not null) localApps.Add(Options.AppId, new LocalApp(app, Options.AppApiToken, Spans));
        await server.StartAsync();
        nameResolver.Register(Options.AppId, Options.GrpcPort);
        log.Info($"gRPC API on port {Options.GrpcPort}, HTTP API on port {Options.HttpPort}");
        watch = Task.Run(WatchAppAsync);
    }

    public void RequestShutdown(bool forced) => ShutdownRequested?.Invoke(forced);

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
            Resiliencies = { resources.Policies.Names.Select(name => new MetadataResiliency { Name = name }) },
        };
        response.ExtendedMetadata.Add(ExtendedMetadata);
        if (Options.AppPort == 0) return response;
        response.AppConnectionProperties = new AppConnectionProperties
        {
            Port = Options.AppPort, Protocol = Options.AppProtocol, ChannelAddress = Options.AppHost,
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

    /// <summary>Delivers nothing more. What is under way goes on, and if it fails now it is not acknowledged.</summary>
    public void StopHearing()
    {
        if (stopping.IsCancellationRequested) return;
        stopping.Cancel();
        log.Info("shutting down: no more events are taken, those under way are ended");
        _ = subscriptions?.StopAsync();
    }

    /// <summary>Delivers nothing more, ends what is under way, then closes. False when that took too long and was left undone.</summary>
    public async Task<bool> StopAsync()
    {
        try
        {
            StopHearing();
            await DisposeAsync().AsTask().WaitAsync(Options.ShutdownLimit);
            return true;
        }
        catch (TimeoutException)
        {
            log.Error($"graceful shutdown took longer than {Options.ShutdownLimit.TotalSeconds} s; what was under way is left");
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await watch;
        if (subscriptions is not null) await subscriptions.DisposeAsync();
        nameResolver.Forget(Options.AppId, Options.GrpcPort);
        localApps.Remove(Options.AppId);
        await server.DisposeAsync();
        await components.DisposeAsync();
        Proxy.Dispose();
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

            // Initialized does not mean subscribed: subscriptions start with the first probe that succeeds.
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
            Type = subscription.Origin switch
            {
                SubscriptionOrigin.Declarative => PubsubSubscriptionType.Declarative,
                SubscriptionOrigin.Programmatic => PubsubSubscriptionType.Programmatic,
            },
            Rules = new PubsubSubscriptionRules { Rules = { subscription.Routes.Select(r => new PubsubSubscriptionRule { Match = r.Match, Path = r.Path }) } },
        };
        described.Metadata.Add(new Dictionary<string, string>(subscription.Metadata));
        return described;
    }
}
