using System.Collections.Concurrent;
using System.Diagnostics;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.Api;
using Daprd.App;
using Daprd.Files;
using Daprd.Invocation;
using Daprd.PubSub;
using Daprd.Resiliency;
using Daprd.State;
using Daprd.Tracing;
using Grpc.Core;
using Grpc.Net.Client;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Daprd;

/// <summary>One app's sidecar: its components, its two servers, and its subscriptions.</summary>
internal sealed class Sidecar : IAsyncDisposable
{
    public const string RuntimeVersion = "1.18.3";

    private const string CallerHeader = "dapr-caller-app-id";

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
        State = new StateApi(_resources.Policies);
        Publisher = new Publisher(options.AppId, _resources.Policies, TimeProvider.System);
        Proxy = new GrpcProxy(options, neighbours, _names, _resources.Policies, Spans);
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

    public ConcurrentDictionary<string, string> ExtendedMetadata { get; } = new() { ["daprRuntimeVersion"] = RuntimeVersion };

    /// <summary>Completes when the app answers and its subscriptions are active; without an app, when the servers are up.</summary>
    public Task Ready => _ready.Task;

    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    /// <summary>What the app hears; empty until the sidecar is ready.</summary>
    public IReadOnlyList<Subscription> Subscriptions => _subscriptions?.Known ?? [];

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

    /// <param name="trace">Of the call that asks for it.</param>
    /// <param name="caller">Of the sidecar that passes it on: it was under that one's policies. Null: it is asked for here.</param>
    public async Task<InvokeResponse> InvokeAsync(InvokeServiceRequest request, TraceContext trace, string? caller, CancellationToken stop)
    {
        if (caller is not null) return await InvokeOnceAsync(request, trace, caller, stop);
        try
        {
            return await _resources.Policies.ForApp(request.Id, request.Message?.Method ?? "").RunAsync(
                async limit =>
                {
                    using var ended = CancellationTokenSource.CreateLinkedTokenSource(limit, stop);
                    return await InvokeOnceAsync(request, trace, caller, ended.Token);
                },
                stop);
        }
        catch (Exception given) when (given is CircuitOpenException or TimeoutException)
        {
            throw new RpcException(PolicyEnd.StatusOf(given));
        }
    }

    private async Task<InvokeResponse> InvokeOnceAsync(InvokeServiceRequest request, TraceContext trace, string? caller, CancellationToken stop)
    {
        if (_neighbours.TryFind(request.Id, out var callee))
        {
            if (!callee.App.IsHealthy) throw new RpcException(new Status(StatusCode.Internal, Hop.Unhealthy));
            using var span = callee.Spans.Start($"CallLocal/{request.Id}/{request.Message?.Method}", ActivityKind.Server, trace);
            span.Set("rpc.service", "ServiceInvocation");
            span.Set("dapr.invoke_method", request.Message?.Method ?? "");
            var passed = new Metadata();
            if (span.Context.Parent.Length > 0)
            {
                passed.Add("traceparent", span.Context.Parent);
                passed.Add(TraceContext.BinaryHeader, TraceContext.ToBinary(span.Context.Parent));
            }

            if (callee.AppApiToken.Length > 0) passed.Add("dapr-api-token", callee.AppApiToken);
            passed.Add(CallerHeader, caller ?? Options.AppId);
            passed.Add("dapr-callee-app-id", request.Id);
            return await callee.App.InvokeAsync(request.Message ?? new InvokeRequest(), passed, stop);
        }

        if (request.Id == Options.AppId || _names.Find(request.Id) is not { } address)
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_DIRECT_INVOKE", $"failed to invoke, id: {request.Id}, err: couldn't find service: {request.Id}");
        }

        using var channel = GrpcChannel.ForAddress(address);
        var sidecar = new DaprService.DaprClient(channel);
        var passedOn = new Metadata { { CallerHeader, Options.AppId } };
        if (trace.Parent.Length > 0) passedOn.Add("traceparent", trace.Parent);
        if (Options.ApiToken.Length > 0) passedOn.Add("dapr-api-token", Options.ApiToken);
        var attempts = 0;
        try
        {
#pragma warning disable CS0612 // Deprecated, and still what the caller asked for.
            return await _resources.Policies.ForUnlistedSidecar(request.Id).RunAsync(
                async _ =>
                {
                    attempts++;
                    return await sidecar.InvokeServiceAsync(request, passedOn, cancellationToken: stop);
                },
                stop,
                final: failure => !IsUnreachable(failure));
#pragma warning restore CS0612
        }
        catch (RpcException failure) when (IsUnreachable(failure))
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_DIRECT_INVOKE",
                $"failed to invoke, id: {request.Id}, err: failed to invoke target {request.Id} after {attempts - 1} retries. Error: {failure.Status.Detail}");
        }
    }

    /// <summary>Whether the other sidecar was not there, as opposed to an app that says so.</summary>
    private static bool IsUnreachable(Exception failure) => failure is RpcException { StatusCode: StatusCode.Unavailable, Status.DebugException: not null };

    public GetMetadataResponse Describe()
    {
        var response = new GetMetadataResponse
        {
            Id = Options.AppId,
            RuntimeVersion = RuntimeVersion,
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
            Port = Options.AppPort, Protocol = Options.AppProtocol, ChannelAddress = Options.AppHost, MaxConcurrency = -1,
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
        _stopping.Cancel();
        _ = _subscriptions?.StopAsync();
    }

    /// <summary>Delivers nothing more, ends what is under way, then closes. False when that took too long and was left undone.</summary>
    public async Task<bool> StopAsync()
    {
        try
        {
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
                return;
            }

            await _app.WaitForPortAsync(_stopping.Token);
            _log.Info($"the app answers on port {Options.AppPort}");
            if (Options.Health.Enabled) await new AppHealth(_app, Options.Health).WatchAsync(HealthChangedAsync, _stopping.Token);
            else await HealthChangedAsync(healthy: true);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception failure)
        {
            _log.Error($"the app is no longer served: {failure.Message}");
            _ready.TrySetException(failure);
        }
    }

    private async Task HealthChangedAsync(bool healthy)
    {
        if (!healthy)
        {
            _log.Warn("the app is unhealthy; its subscriptions are stopped");
            await _subscriptions!.StopAsync();
            return;
        }

        await _subscriptions!.StartAsync(_stopping.Token);
        _log.Info($"subscribed to {string.Join(", ", Subscriptions.Select(s => s.Topic))}");
        BecomeReady();
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
