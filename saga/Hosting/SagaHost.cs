using System.Net;
using System.Net.Sockets;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Dapr.Client;
using Grpc.AspNetCore.HealthChecks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Saga.Commands;
using Saga.Dapr;
using Saga.Messaging;
using Saga.OpenOrders;
using Saga.Reservations;
using Saga.State;
using Saga.Telemetry;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Hosting;

/// <summary>Builds a service of the saga: gRPC with reflection and health, the sidecar, subscriptions, sweeps.</summary>
public static class SagaHost
{
    /// <summary>
    /// Bytes of a delivery, at most. What a sidecar takes as an event (4 MiB by default) is larger when it is delivered: in its envelope, and on the
    /// dead-letter topic in JSON or base64. One that is refused for its size is lost. Kestrel's own limit is 30,000,000.
    /// </summary>
    private const int DeliveryMax = 28 * 1024 * 1024;

    /// <summary>
    /// Bytes of any other request, at most, as over HTTP: an order of 100 items with the longest texts has a fifth of it. A request is parsed before any limit
    /// counts it, into objects that may take a hundred times as much.
    /// </summary>
    private const int RequestMax = 256 * 1024;

    /// <summary>Prefixes of the library's own state keys.</summary>
    private static readonly string[] OwnKeys = ["reservation:", "open:", "dead-letter", "command:", "used-key:", "probe:"];

    /// <summary>Creates the builder of a service that listens on its gRPC port.</summary>
    /// <param name="appId">Its Dapr app id: 1 to 32 characters of a-z 0-9 -, the first a letter. The sidecar must have the same.</param>
    /// <param name="grpcPort">APP_PORT overrides it.</param>
    /// <param name="documents">The JSON serialization of its documents. Null: it has none.</param>
    public static WebApplicationBuilder CreateBuilder(string[] args, string appId, int grpcPort, IJsonTypeInfoResolver? documents = null)
    {
        if (!SettingReader.IsAppId(appId)) throw new ArgumentException($"An app id is 1 to 32 characters of a-z 0-9 -, the first a letter, and not '{appId}'.", nameof(appId));
        // HTTP clients of this process would call the sidecar and local collectors through the proxy of the environment.
        Environment.SetEnvironmentVariable("no_proxy",
            $"{Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY")},localhost,127.0.0.1,[::1]");
        var builder = WebApplication.CreateSlimBuilder(args);
        var settings = new SettingReader(builder.Configuration);
        var options = SagaOptions.Read(settings);
        var auth = AuthOptions.Read(settings, isReachable: IsReachable);
        var port = settings.Port("APP_PORT", grpcPort);
        foreach (var variable in (string[])["DAPR_GRPC_PORT", "DAPR_HTTP_PORT"]) settings.Port(variable, 50001);
        foreach (var variable in (string[])["DAPR_GRPC_ENDPOINT", "DAPR_HTTP_ENDPOINT"]) settings.Url(variable, "http://localhost:50001");
        foreach (var variable in (string[])["DAPR_API_TOKEN", "APP_API_TOKEN"]) settings.Token(variable);
        foreach (var variable in Exporters.EndpointVariables) settings.Url(variable, "http://localhost:4317");
        settings.ThrowIfInvalid();
        SingleLineFormatter.Add(builder);
        // What a handler throws is logged by ExceptionInterceptor. The rest are requests that are broken, or whose client has gone.
        builder.Logging.AddFilter("Grpc.AspNetCore.Server.ServerCallHandler", LogLevel.Critical);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // daprd's bulk delivery has a traceparent and a grpc-trace-bin header per event (66 and 54 bytes): room for a full batch beside
            // the default 100 headers.
            kestrel.Limits.MaxRequestHeaderCount = 100 + 2 * AppCallbackService.MaxBatchSize;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024 + 256 * AppCallbackService.MaxBatchSize;
            if (!auth.IsChosen) kestrel.ConfigureEndpointDefaults(AuthOptions.RefuseReachable);
            Listen(kestrel, port, HttpProtocols.Http2);
        });

        TraceExport.Add(builder);

        var services = builder.Services;
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = RequestMax;
            grpc.Interceptors.Add<RequestLimitInterceptor>();
            grpc.Interceptors.Add<ExceptionInterceptor>();
        })
            .AddServiceOptions<AppCallbackService>(callback => callback.MaxReceiveMessageSize = DeliveryMax)
            .AddServiceOptions<AppCallbackAlphaService>(callback => callback.MaxReceiveMessageSize = DeliveryMax);
        builder.AddAuthentication(auth);
        services.AddSingleton<RequestLimits>();
        services.AddSingleton<RequestLimitInterceptor>();
        services.AddSingleton<ExceptionInterceptor>();
        services.AddReflection();
        services.AddHealth();
        var json = CreateJsonOptions(documents);
        services.AddSingleton(json);
        services.AddDaprClient(dapr => dapr.UseJsonSerializationOptions(json));
        services.AddSingleton(options);
        services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainDelay + Drain.FinishTimeout);
        services.AddHostedService(services => new Drain(
            options, services.GetService<OpenOrderLog>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<Drain>>()));
        // AllowedHosts, where it is set, refuses all others, also on the gRPC port.
        services.PostConfigure<HostFilteringOptions>(hosts => hosts.AllowedHosts = [.. hosts.AllowedHosts, .. SameOrigin.LoopbackHosts]);
        services.AddSingleton(new AppId(appId));
        services.AddSingleton(services => new SidecarChannel(services.GetRequiredService<IConfiguration>(), services.GetRequiredService<TimeProvider>()));
        services.AddSingleton(services => new DaprApi.DaprClient(services.GetRequiredService<SidecarChannel>().Sidecar));
        services.AddSingleton<ISidecar>(services => DaprSidecar.Create(
            services.GetRequiredService<DaprApi.DaprClient>(), new(appId), json, options.Batching));
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(Random.Shared);
        services.AddSingleton<ConflictBackoff>();
        services.AddSingleton(services => DocumentStore.Create(
            services.GetRequiredService<ISidecar>(), services.GetRequiredService<ConflictBackoff>(), combine: options.Batching, cache: options.Caching));
        services.AddSingleton(services => new IdempotentCommands(services.GetRequiredService<DocumentStore>(), services.GetRequiredService<TimeProvider>()));
        services.AddSingleton(services => new DocumentList(
            services.GetRequiredService<ISidecar>(), services.GetRequiredService<ILogger<DocumentList>>()));
        services.AddSingleton(services => new IdIndex(
            services.GetRequiredService<DocumentStore>(), services.GetRequiredService<ISidecar>(), services.GetRequiredService<ILogger<IdIndex>>()));
        services.AddSingleton<DeadLetters>();
        services.AddSingleton(new Subscriptions());
        builder.AddMetrics(appId);
        return builder;
    }

    /// <summary>Adds a port for HTTP/1.1.</summary>
    /// <param name="variable">The environment variable that overrides the port.</param>
    /// <exception cref="OptionsValidationException">Its value is no port.</exception>
    public static void ListenHttp(this WebApplicationBuilder builder, string variable, int port)
    {
        var settings = new SettingReader(builder.Configuration);
        var chosen = settings.Port(variable, port);
        settings.ThrowIfInvalid();
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, chosen, HttpProtocols.Http1));
    }

    /// <summary>Makes the service a participant that reserves from documents of type <typeparamref name="T"/>.</summary>
    /// <param name="keyOf">The state key of such a document, from its id: a prefix of its own, and the id.</param>
    /// <param name="getOutcome">
    /// The sweep asks it about reservations older than Saga:Deadline. Null: the app orders is asked, by shop.v1.OrderService/GetOrder.
    /// </param>
    /// <exception cref="InvalidOperationException">It was called before, or keyOf or the JSON of the documents is unfit.</exception>
    public static void AddParticipant<T>(
        this WebApplicationBuilder builder, Func<string, string> keyOf, Func<IServiceProvider, OrderOutcomeQuery>? getOutcome = null)
        where T : class, IHasHoldings<T>
    {
        if (builder.Services.Any(one => one.ServiceType == typeof(OpenOrderLog))) throw new InvalidOperationException(
            "AddParticipant, which AddStep calls, can be called once: an order has one reservation in a service.");
        // Also with an id that begins as a key of the library does.
        if (keyOf("a") == keyOf("b") || Array.Exists(OwnKeys, own => keyOf($"{own}a").StartsWith(own, StringComparison.Ordinal))) throw new InvalidOperationException(
            $"keyOf must give each id a key of its own, with a prefix that is not the library's, such as pool:, and not '{keyOf("a")}'.");
        if (builder.Services.FirstOrDefault(one => one.ServiceType == typeof(JsonSerializerOptions))?.ImplementationInstance is not JsonSerializerOptions json
            || !json.TryGetTypeInfo(typeof(T), out _)) throw new InvalidOperationException(
            $"SagaHost.CreateBuilder needs the JSON of {typeof(T).Name}: a JsonSerializerContext with [JsonSerializable(typeof({typeof(T).Name}))] as its last argument.");
        builder.Services.AddSingleton(getOutcome ?? (services =>
            new OrderStatusClient(services.GetRequiredService<SidecarChannel>(), services.GetRequiredService<TimeProvider>()).GetOutcomeAsync));
        builder.AddOpenOrderLog();
        builder.Services.AddSingleton(services => new Participant<T>(
            services.GetRequiredService<DocumentStore>(), services.GetRequiredService<ISidecar>(), keyOf, services.GetRequiredService<OpenOrderLog>(),
            services.GetRequiredService<TimeProvider>()));
        builder.Services.AddSingleton(services => new ReservationSweep<T>(
            services.GetRequiredService<Participant<T>>(), services.GetRequiredService<ISidecar>(), services.GetRequiredService<OpenOrderLog>(),
            services.GetRequiredService<OrderOutcomeQuery>(),
            services.GetRequiredService<SagaOptions>().Deadline,
            services.GetRequiredService<DeadLetters>(), services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<ReservationSweep<T>>>()));
        builder.Services.AddSingleton<ISweptEntries>(services => services.GetRequiredService<ReservationSweep<T>>());
        builder.AddSweep<ReservationSweep<T>>((sweep, ct) => sweep.RunAsync(ct));
    }

    /// <summary>
    /// Makes the service a participant without handlers and events of its own: it reserves for an order-created, settles or releases, and answers with
    /// StepSucceededEvent and its siblings. Orders waits for it when its app id is in Saga__Steps.
    /// </summary>
    /// <param name="keyOf">The state key of a document of type <typeparamref name="T"/>, from its id.</param>
    public static void AddStep<T>(this WebApplicationBuilder builder, Func<string, string> keyOf, StepDecisions<T> decisions)
        where T : class, IHasHoldings<T>
    {
        builder.AddParticipant<T>(keyOf);
        builder.Services.AddSingleton(services => new StepHandlers<T>(
            services.GetRequiredService<Participant<T>>(), services.GetRequiredService<DocumentStore>(), services.GetRequiredService<ISidecar>(), keyOf,
            services.GetRequiredService<OrderOutcomeQuery>(), services.GetRequiredService<AppId>(), decisions,
            services.GetRequiredService<ILoggerFactory>().CreateLogger(builder.Environment.ApplicationName)));
        builder.AddSubscriptions<StepHandlers<T>>((events, handlers) => handlers.SubscribeTo(events));
    }

    /// <summary>Adds the log of open orders.</summary>
    internal static void AddOpenOrderLog(this WebApplicationBuilder builder) => builder.Services.AddSingleton(services => new OpenOrderLog(
        services.GetRequiredService<ISidecar>(), services.GetRequiredService<TimeProvider>(),
        () => Guid.CreateVersion7().ToString("N"), services.GetRequiredService<ILogger<OpenOrderLog>>(), services.GetRequiredService<DeadLetters>()));

    /// <summary>Runs a sweep every Saga:SweepPeriod.</summary>
    internal static void AddSweep<T>(this WebApplicationBuilder builder, Func<T, CancellationToken, Task> run) where T : class =>
        builder.Services.AddHostedService(services => new PeriodicSweep(
            PeriodicSweep.GetName(typeof(T)), ct => run(services.GetRequiredService<T>(), ct), services.GetRequiredService<SagaOptions>().SweepPeriod,
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<PeriodicSweep>>()));

    /// <summary>Subscribes the service to events.</summary>
    /// <param name="subscribe">Maps each event to a method of <typeparamref name="THandlers"/>. Handlers that are an <see cref="IOrderStep"/> also answer
    /// the calls of Orders for orchestrated orders.</param>
    /// <exception cref="InvalidOperationException">It was called before.</exception>
    public static void AddSubscriptions<THandlers>(this WebApplicationBuilder builder, Action<Subscriptions, THandlers> subscribe) where THandlers : class
    {
        if (builder.Services.Any(one => one.ServiceType == typeof(EventDispatcher))) throw new InvalidOperationException(
            "A service subscribes once, and AddStep does it: call AddParticipant instead of AddStep, and subscribe to everything in one AddSubscriptions.");
        Subscriptions CreateSubscriptions(IServiceProvider services)
        {
            var subscriptions = new Subscriptions { InBulk = services.GetRequiredService<SagaOptions>().BulkSubscribe };
            subscribe(subscriptions, services.GetRequiredService<THandlers>());
            foreach (var sweep in services.GetServices<ISweptEntries>()) subscriptions.OnRedrive(sweep.Kind, sweep.VisitAsync);
            return subscriptions;
        }
        builder.Services.TryAddSingleton<THandlers>();
        if (typeof(THandlers).IsAssignableTo(typeof(IOrderStep)))
        {
            builder.Services.AddSingleton(services => (IOrderStep)services.GetRequiredService<THandlers>());
        }
        builder.Services.AddSingleton(CreateSubscriptions);
        builder.Services.AddSingleton<EventDispatcher>();
        builder.Services.AddSingleton(new DryRunMode(IsOn: false));
        builder.Services.AddSingleton(services => new DryRun(
            builder.Services, CreateSubscriptions, OpenOrderLog.IsKey, services.GetRequiredService<ISidecar>(),
            services.GetRequiredService<JsonSerializerOptions>()));
    }

    /// <summary>Maps the app callbacks of the sidecar, the calls of Orders, dead letters, health, reflection and metrics. Call it last.</summary>
    /// <exception cref="InvalidOperationException">There are no subscriptions, or something that the handlers need is not registered.</exception>
    public static void MapSaga(this WebApplication app)
    {
        if (!app.Services.GetRequiredService<IServiceProviderIsService>().IsService(typeof(EventDispatcher))) throw new InvalidOperationException(
            "MapSaga needs AddStep or AddSubscriptions before it: no event would be delivered.");
        // A handler whose dependency is not registered fails here, and not at the first delivery.
        app.Services.GetRequiredService<EventDispatcher>();
        app.MapGrpcService<AppCallbackService>().AllowAnonymous();
        app.MapGrpcService<AppCallbackAlphaService>().AllowAnonymous();
        app.MapGrpcService<DeadLetterService>();
        if (app.Services.GetRequiredService<IServiceProviderIsService>().IsService(typeof(IOrderStep))) app.MapGrpcService<ParticipantGrpcService>();
        app.MapHost();
    }

    /// <summary>Maps health, reflection and metrics, for an app without subscriptions. Call it last.</summary>
    internal static void MapHost(this WebApplication app)
    {
        app.UseProblemDetails();
        app.UseSameOrigin();
        app.UseExactGrpcPaths();
        app.UseSidecarCalls();
        app.UseUnreadableRequests();
        app.MapGrpcService<AppHealthService>().AllowAnonymous();
        app.MapGrpcReflectionService().AllowAnonymous();
        app.MapHealth();
        var health = app.Services.GetRequiredService<IOptions<GrpcHealthChecksOptions>>().Value.Services;
        // The health of each service is that of the process.
        foreach (var service in ReflectionWithComments.GetServiceNames(((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints)))
        {
            health.Map(service, _ => true);
        }
        app.MapMetrics();
    }

    /// <summary>Builds the app and runs it until the process is stopped (<see cref="Drain"/>).</summary>
    /// <returns>The exit code: 1 when a setting is wrong or a port is taken, with sentences on standard error.</returns>
    public static async Task<int> RunToExitAsync(Func<WebApplication> build)
    {
        var hasStarted = false;
        try
        {
            await using var app = build();
            app.Lifetime.ApplicationStarted.Register(() => hasStarted = true);
            if (!app.Services.GetRequiredService<AuthOptions>().IsJwt) SagaLog.CallersNotAuthenticated(app.Logger);
            var stopping = app.Lifetime.ApplicationStopping;
            try
            {
                await app.RunAsync();
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                // Asked to stop while it was still starting.
            }
            return 0;
        }
        catch (OptionsValidationException wrong)
        {
            foreach (var problem in wrong.Failures) await Console.Error.WriteLineAsync(problem);
            return 1;
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync(
                $"{taken.Message.TrimEnd('.')}. Stop the other process, or give this service another port (APP_PORT, HTTP_PORT).");
            return 1;
        }
        catch (Exception wrong) when (!hasStarted && wrong is InvalidOperationException or FormatException or ArgumentException or IOException
            or UnauthorizedAccessException or OverflowException or SocketException)
        {
            // Settings of .NET, ASP.NET Core or OpenTelemetry, which read their own.
            await Console.Error.WriteLineAsync($"The service cannot start, because of a setting or of what it names: {Describe(wrong)}");
            return 1;
        }
    }

    /// <summary>The message, and those of what caused it.</summary>
    private static string Describe(Exception wrong)
    {
        List<string> sentences = [];
        for (var cause = wrong; cause is not null; cause = cause.InnerException) sentences.Add(cause.Message.ReplaceLineEndings(" "));
        return string.Join(" Caused by: ", sentences.Distinct());
    }

    /// <summary>The JSON of stored documents: camelCase, enums by name, nulls left out.</summary>
    internal static JsonSerializerOptions CreateJsonOptions(IJsonTypeInfoResolver? documents) => new(JsonSerializerDefaults.Web)
    {
        TypeInfoResolver = JsonTypeInfoResolver.Combine(documents, SagaJsonContext.Default).WithAddedModifier(RequireMembers),
        RespectNullableAnnotations = true,
        // Names in any script stay readable in the store.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    /// <summary>
    /// A document without a member that its type requires is corrupt, and not one with a default in it. A member that a new version adds is
    /// nullable or has a default value.
    /// </summary>
    private static void RequireMembers(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object) return;
        foreach (var member in type.Properties)
        {
            // One that is omitted when it has its default value is marked with JsonIgnore.
            if (member.AssociatedParameter is { HasDefaultValue: false, IsNullable: false }
                && member.AttributeProvider?.IsDefined(typeof(JsonIgnoreAttribute), inherit: false) != true)
            {
                member.IsRequired = true;
            }
        }
    }

    // A container must be reachable from outside; on a developer's machine localhost is enough.
    private static bool IsReachable =>
        Environment.GetEnvironmentVariable("DOTNET_RUNNING_IN_CONTAINER") is { } value && (value == "1" || value.Equals("true", StringComparison.OrdinalIgnoreCase));

    private static void Listen(KestrelServerOptions kestrel, int port, HttpProtocols protocols)
    {
        if (IsReachable) kestrel.ListenAnyIP(port, endpoint => endpoint.Protocols = protocols);
        else kestrel.ListenLocalhost(port, endpoint => endpoint.Protocols = protocols);
    }
}
