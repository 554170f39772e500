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
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga;

/// <summary>What every service of the saga stands on: gRPC with reflection and health, the sidecar, and the building block.</summary>
public static class SagaHost
{
    /// <summary>The most events that a bulk subscription may have delivered in one call: daprd's own default of maxMessagesCount.</summary>
    internal const int BulkMessagesMax = 100;

    /// <summary>A service on its gRPC port.</summary>
    /// <param name="appId">Its name at the sidecar.</param>
    /// <param name="grpcPort">Unless APP_PORT, which a runner sets, says otherwise.</param>
    /// <param name="states">How its documents are written as JSON.</param>
    public static WebApplicationBuilder CreateBuilder(string[] args, string appId, int grpcPort, IJsonTypeInfoResolver states)
    {
        var builder = WebApplication.CreateSlimBuilder(args);
        SingleLineFormatter.Add(builder);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            // daprd's bulk delivery has a traceparent and a grpc-trace-bin header for each event (66 and 54 bytes): room for a full batch beside the usual 100.
            kestrel.Limits.MaxRequestHeaderCount = 100 + 2 * BulkMessagesMax;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024 + 256 * BulkMessagesMax;
            Listen(kestrel, PortOf("APP_PORT", grpcPort), HttpProtocols.Http2);
        });

        TraceExport.Add(builder);

        var services = builder.Services;
        services.AddGrpc(grpc => grpc.Interceptors.Add<ExceptionInterceptor>());
        services.AddSingleton<ExceptionInterceptor>();
        services.AddReflection();
        services.AddHealth();
        var json = JsonOf(states);
        services.AddSingleton(json);
        services.AddDaprClient(dapr => dapr.UseJsonSerializationOptions(json));
        services.AddSingleton(new AppId(appId));
        services.AddSingleton<SidecarChannel>();
        services.AddSingleton(services => new DaprApi.DaprClient(services.GetRequiredService<SidecarChannel>().Sidecar));
        services.AddSingleton<ISidecar, DaprSidecar>();
        services.AddSingleton<EventLoop>();
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(Random.Shared);
        services.AddSingleton<ConflictBackoff>();
        services.AddSingleton<DocumentStore>();
        services.AddSingleton<Transition>();
        services.AddSingleton<IdempotentCommands>();
        services.AddSingleton<IdIndex>();
        services.AddSingleton<DeadLetters>();
        builder.AddMetrics(appId);
        return builder;
    }

    /// <summary>Listens on a port in addition, for HTTP/1.1 and browsers.</summary>
    /// <param name="variable">The environment variable that may name another port.</param>
    public static void ListenHttp(this WebApplicationBuilder builder, string variable, int port) =>
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, PortOf(variable, port), HttpProtocols.Http1));

    /// <summary>This service takes from documents of the kind <typeparamref name="T"/> for orders.</summary>
    public static void AddParticipant<T>(this WebApplicationBuilder builder, Func<string, string> keyOf) where T : class, IHasHoldings<T>
    {
        builder.AddOpenLog();
        builder.Services.AddSingleton(services => new Participant<T>(
            services.GetRequiredService<DocumentStore>(), services.GetRequiredService<ISidecar>(), keyOf, services.GetRequiredService<OpenOrderLog>().AddAsync,
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ConflictBackoff>()));
        builder.Services.AddSingleton(services => new ReservationSweep<T>(
            services.GetRequiredService<Participant<T>>(), services.GetRequiredService<ISidecar>(), services.GetRequiredService<OpenOrderLog>(),
            new OrderStatusClient(services.GetRequiredService<SidecarChannel>()).GetOutcomeAsync,
            services.GetRequiredService<IConfiguration>().GetSection("Saga").GetValue("Deadline", TimeSpan.FromSeconds(60)),
            services.GetRequiredService<DeadLetters>(), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<ReservationSweep<T>>>()));
        builder.Services.AddSingleton<ISweptEntries>(services => services.GetRequiredService<ReservationSweep<T>>());
        builder.AddSweep<ReservationSweep<T>>((sweep, ct) => sweep.RunAsync(ct));
    }

    /// <summary>This service keeps a log of what is open.</summary>
    public static void AddOpenLog(this WebApplicationBuilder builder) => builder.Services.AddSingleton(services => new OpenOrderLog(
        services.GetRequiredService<ISidecar>(), services.GetRequiredService<TimeProvider>(),
        () => Guid.CreateVersion7().ToString("N"), services.GetRequiredService<ILogger<OpenOrderLog>>()));

    /// <summary>Runs <paramref name="run"/> every Saga:SweepPeriod, 2 seconds unless configured otherwise.</summary>
    public static void AddSweep<T>(this WebApplicationBuilder builder, Func<T, CancellationToken, Task> run) where T : class
    {
        var period = builder.Configuration.GetSection("Saga").GetValue("SweepPeriod", TimeSpan.FromSeconds(2));
        builder.Services.AddHostedService(services => new PeriodicSweep(
            PeriodicSweep.NameOf(typeof(T)), ct => run(services.GetRequiredService<T>(), ct), period,
            services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILogger<PeriodicSweep>>()));
    }

    /// <summary>This service hears events.</summary>
    /// <param name="hear">Says which, and what <typeparamref name="THandlers"/> does on each.</param>
    public static void AddSubscriptions<THandlers>(this WebApplicationBuilder builder, Action<Subscriptions, THandlers> hear) where THandlers : class
    {
        Subscriptions HeardBy(IServiceProvider services)
        {
            var subscriptions = new Subscriptions();
            hear(subscriptions, services.GetRequiredService<THandlers>());
            foreach (var sweep in services.GetServices<ISweptEntries>()) subscriptions.OnRedrive(sweep.Kind, sweep.VisitAsync);
            return subscriptions;
        }
        builder.Services.AddSingleton<THandlers>();
        builder.Services.AddSingleton(HeardBy);
        builder.Services.AddSingleton<EventDispatcher>();
        builder.Services.AddSingleton(services => new DryRun(
            builder.Services, HeardBy, services.GetRequiredService<ISidecar>(), services.GetRequiredService<JsonSerializerOptions>()));
    }

    /// <summary>Serves what the sidecar calls, and what every service answers: dead letters, health, reflection, metrics. To be called last.</summary>
    public static void MapSaga(this WebApplication app)
    {
        app.MapGrpcService<AppCallbackService>();
        app.MapGrpcService<AppCallbackAlphaService>();
        app.MapGrpcService<AppHealthService>();
        app.MapGrpcService<DeadLetterService>();
        app.MapGrpcReflectionService();
        app.MapHealth();
        var health = app.Services.GetRequiredService<IOptions<GrpcHealthChecksOptions>>().Value.Services;
        // Each is as well as the whole.
        foreach (var service in ReflectionWithComments.Named(((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints))) health.Map(service, _ => true);
        app.MapMetrics();
    }

    /// <summary>Runs until it is told to stop.</summary>
    /// <returns>The process's exit code: 1 when it could not start, with a sentence on standard error.</returns>
    public static async Task<int> RunToExitAsync(this WebApplication app)
    {
        try
        {
            await app.RunAsync();
            return 0;
        }
        catch (IOException taken) when (taken.InnerException is AddressInUseException)
        {
            await Console.Error.WriteLineAsync(
                $"{taken.Message.TrimEnd('.')}. Stop the other process, or give this service another port (APP_PORT, HTTP_PORT).");
            return 1;
        }
    }

    /// <summary>How documents look in the store: camelCase, enums by name, what is null left out.</summary>
    public static JsonSerializerOptions JsonOf(IJsonTypeInfoResolver states) => new(JsonSerializerDefaults.Web)
    {
        TypeInfoResolver = JsonTypeInfoResolver.Combine(states, SagaJsonContext.Default),
        // Names in any language stay readable in the store.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private static int PortOf(string variable, int port)
    {
        var said = Environment.GetEnvironmentVariable(variable);
        if (string.IsNullOrEmpty(said)) return port;
        return int.TryParse(said, out var other) && other is > 0 and < 65536
            ? other
            : throw new InvalidOperationException($"{variable} must be a port, 1 to 65535, not '{said}'.");
    }

    // On a developer's machine the ports are nobody else's business; in a container they are there to be reached.
    private static void Listen(KestrelServerOptions kestrel, int port, HttpProtocols protocols)
    {
        if (Environment.GetEnvironmentVariable("DOTNET_RUNNING_IN_CONTAINER") == "true") kestrel.ListenAnyIP(port, endpoint => endpoint.Protocols = protocols);
        else kestrel.ListenLocalhost(port, endpoint => endpoint.Protocols = protocols);
    }
}
