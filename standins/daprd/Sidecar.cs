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
    private readonly Resources _resources;
    private readonly SidecarLog _log;
    private readonly SharedMemory _memory;
    private readonly Neighbours _neighbours;
    private readonly Names _names;
    private readonly Components _components = new();
    private readonly AppChannel? _app;
    private readonly Subscriptions? _subscriptions;
    private readonly SidecarServer _server;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _subscribed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _watch = Task.CompletedTask;

    /// <summary>Reads the sidecar's files; throws <see cref="FileProblem"/> when they are wrong. Nothing is opened yet.</summary>
    public Sidecar(SidecarOptions options, SharedMemory memory, Neighbours neighbours, SidecarLog log)
    {
        Options = options;
        _log = log;
        _memory = memory;
        _neighbours = neighbours;
        _names = new Names(options.NamesFolder, options.Peers);
        _resources = Resources.Read(options.ResourcesPaths, options.AppId, options.Folder, log.Warn);
        Spans = new Spans(Configuration.Read(options.ConfigFiles, log.Warn), options.AppId, log.Warn);
        State = new StateApi();
        Publisher = new Publisher(options.AppId, TimeProvider.System);
        Proxy = new GrpcProxy(options, neighbours, _names, Spans);
        ExtendedMetadata = new() { ["daprRuntimeVersion"] = options.Version.ToString() };
        _server = new SidecarServer(this);
        if (options.AppPort == 0) return;
        _app = new AppChannel(options.AppHost, options.AppPort);
        _subscriptions = new Subscriptions(_app, options.AppApiToken, Publisher, _resources, Spans, log.Warn, TimeProvider.System);
    }

    public SidecarOptions Options { get; }

    public StateApi State { get; }

    public Publisher Publisher { get; }

    public GrpcProxy Proxy { get; }

    public Spans Spans { get; }

    public ConcurrentDictionary<string, string> ExtendedMetadata { get; }

    /// <summary>Completes when the app's subscriptions are active; without an app, when the servers are up.</summary>
    public Task Subscribed => _subscribed.Task;

    /// <summary>Whether the app was reached. The subscriptions of one whose health is checked may not be active yet.</summary>
    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    /// <summary>The app's subscriptions; before discovery, and when discovery fails, those that the files declare.</summary>
    public IReadOnlyList<Subscription> Subscriptions => _subscriptions?.Known ?? [.. _resources.Subscriptions.Select(file => file.Subscription)];

    /// <summary>Raised when somebody asks the sidecar to end; the argument is true when it is to end at once and with code 1.</summary>
    public event Action<bool>? ShutdownRequested;

    /// <summary>Opens the components and starts the servers; the app need not be there. Throws <see cref="FileProblem"/> when a server is missing.</summary>
    public async Task StartAsync()
    {
        await _components.OpenAsync(_resources.Components, Options, _memory, State, Publisher, _log.Warn);
        if (_app is not null) _neighbours.Add(Options.AppId, new Neighbour(_app, Options.AppApiToken, Spans));
        await _server.StartAsync();
        _names.Register(Options.AppId, Options.GrpcPort);
        _log.Info($"gRPC API on port {Options.GrpcPort}, HTTP API on port {Options.HttpPort}");
        _watch = Task.Run(WatchAppAsync);
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
                _components.Registered.Select(c => new RegisteredComponents
                {
                    Name = c.Component.Name, Type = c.Component.Type, Version = c.Component.Version, Capabilities = { c.Capabilities },
                }),
            },
            Subscriptions = { Subscriptions.Select(Describe) },
            Resiliencies = { _resources.Policies.Names.Select(name => new MetadataResiliency { Name = name }) },
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
        if (_stopping.IsCancellationRequested) return;
        _stopping.Cancel();
        _log.Info("shutting down: no more events are taken, those under way are ended");
        _ = _subscriptions?.StopAsync();
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
            _log.Error($"graceful shutdown took longer than {Options.ShutdownLimit.TotalSeconds} s; what was under way is left");
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _watch;
        if (_subscriptions is not null) await _subscriptions.DisposeAsync();
        _names.Forget(Options.AppId, Options.GrpcPort);
        _neighbours.Remove(Options.AppId);
        await _server.DisposeAsync();
        await _components.DisposeAsync();
        Proxy.Dispose();
        _app?.Dispose();
        Spans.Dispose();
    }

    private async Task WatchAppAsync()
    {
        try
        {
            if (_app is null || _subscriptions is null)
            {
                BecomeReady();
                _subscribed.TrySetResult();
                return;
            }

            await _app.WaitForPortAsync(_stopping.Token);
            _log.Info($"the app answers on port {Options.AppPort}");
            if (!Options.Health.Enabled)
            {
                await HealthChangedAsync(healthy: true);
                BecomeReady();
                return;
            }

            // Initialized does not mean subscribed: subscriptions start with the first probe that succeeds.
            BecomeReady();
            await new AppHealth(_app, Options.Health).WatchAsync(HealthChangedAsync, _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception failure)
        {
            _log.Error($"the app is no longer served: {failure.Message}");
            _subscribed.TrySetException(failure);
        }
    }

    private async Task HealthChangedAsync(bool healthy)
    {
        if (!healthy)
        {
            _log.Warn("the app is unhealthy");
            await _subscriptions!.StopAsync();
            _log.Warn("the subscriptions of an unhealthy app are stopped");
            return;
        }

        await _subscriptions!.StartAsync(_stopping.Token);
        _log.Info($"subscribed to {string.Join(", ", Subscriptions.Select(s => s.Topic))}");
        _subscribed.TrySetResult();
    }

    private void BecomeReady()
    {
        if (_ready.TrySetResult()) _log.Info("dapr initialized. Status: Running.");
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
