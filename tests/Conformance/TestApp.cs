using System.Collections.Concurrent;
using System.Threading.Channels;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Conformance;

/// <summary>An event as received by the app.</summary>
public sealed record Received(TopicEventRequest Event, Metadata Headers);

/// <summary>An app in the test process: declares subscriptions, records received events, and responds as configured by the test.</summary>
public sealed partial class TestApp : IAsyncDisposable
{
    private static readonly TimeSpan WaitTimeout = TimeSpan.FromSeconds(90);

    private readonly Channel<Received> received = Channel.CreateUnbounded<Received>();
    private readonly ConcurrentDictionary<string, Func<TopicEventRequest, Task<TopicEventResponse>>> answers = new();
    private WebApplication? server;

    private TestApp(int port, IEnumerable<TopicSubscription> subscriptions)
    {
        Port = port;
        Subscriptions = [.. subscriptions];
    }

    public int Port { get; }

    internal List<TopicSubscription> Subscriptions { get; }

    /// <summary>Whether health checks succeed.</summary>
    public bool IsHealthy { get; set; } = true;

    /// <summary>The status code of failing health checks.</summary>
    public StatusCode UnhealthyAs { get; set; } = StatusCode.Unavailable;

    /// <summary>Runs before the response to ListTopicSubscriptions; may throw.</summary>
    public Action<Metadata> OnDiscovery { get; set; } = _ => { };

    /// <summary>Completes when a call of Hang was cancelled.</summary>
    internal TaskCompletionSource Cancelled { get; private set; } = NewSignal();

    public static Task<TestApp> StartAsync(params IEnumerable<TopicSubscription> subscriptions) => StartAsync(FreePort.Take(), subscriptions);

    public static async Task<TestApp> StartAsync(int port, params IEnumerable<TopicSubscription> subscriptions)
    {
        var app = new TestApp(port, subscriptions);
        await app.StartAsync();
        return app;
    }

    public static TopicSubscription Subscription(string pubsub, string topic, string deadLetterTopic = "", params (string Name, string Value)[] metadata)
    {
        var subscription = new TopicSubscription
        {
            PubsubName = pubsub,
            Topic = topic,
            DeadLetterTopic = deadLetterTopic,
            Routes = new TopicRoutes { Default = "/" + topic },
        };
        foreach (var (name, value) in metadata) subscription.Metadata[name] = value;
        return subscription;
    }

    /// <summary>Sets the response to events of a topic; SUCCESS by default.</summary>
    public void OnTopic(string topic, Func<TopicEventRequest, Task<TopicEventResponse>> answer) => answers[topic] = answer;

    public void OnTopic(string topic, TopicEventResponse.Types.TopicEventResponseStatus status) =>
        OnTopic(topic, _ => Task.FromResult(new TopicEventResponse { Status = status }));

    public void OnTopic(string topic, StatusCode failure) => OnTopic(topic, _ => throw new RpcException(new Status(failure, "configured by the test")));

    /// <summary>Returns the next event of any topic.</summary>
    public async Task<Received> NextAsync()
    {
        using var limit = new CancellationTokenSource(WaitTimeout);
        return await received.Reader.ReadAsync(limit.Token);
    }

    /// <summary>Returns the next event of a topic and discards others before it.</summary>
    public async Task<Received> NextAsync(string topic)
    {
        while (true)
        {
            var next = await NextAsync();
            if (next.Event.Topic == topic) return next;
        }
    }

    /// <summary>Discards received events and resets all responses, for the next test.</summary>
    public void Reset()
    {
        answers.Clear();
        Cancelled = NewSignal();
        while (received.Reader.TryRead(out _)) ;
        ResetBatches();
    }

    public async Task StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            // A batch has two header fields per event.
            kestrel.Limits.MaxRequestHeaderCount = 1000;
            kestrel.Limits.MaxRequestHeadersTotalSize = 1000 * 512;
            kestrel.ListenLocalhost(Port, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.Services.AddRoutingCore();
        builder.Services.AddLogging();
        builder.Services.AddSingleton(this);
        builder.Services.AddGrpc();
        server = builder.Build();
        server.UseRouting();
        server.MapGrpcService<Callback>();
        server.MapGrpcService<Health>();
        server.MapGrpcService<EchoService>();
        await server.StartAsync();
    }

    public async Task StopAsync()
    {
        if (server is null) return;
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await server.StopAsync(now.Token);
        await server.DisposeAsync();
        server = null;
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task<TopicEventResponse> ReceiveAsync(TopicEventRequest request, Metadata headers)
    {
        // Read the response before the test can see the event and change it.
        var answer = answers.GetValueOrDefault(request.Topic);
        received.Writer.TryWrite(new Received(request, headers));
        return answer is null ? new TopicEventResponse() : await answer(request);
    }

    private sealed partial class Callback(TestApp app) : AppCallback.AppCallbackBase
    {
        public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context)
        {
            app.OnDiscovery(context.RequestHeaders);
            return Task.FromResult(new ListTopicSubscriptionsResponse { Subscriptions = { app.Subscriptions } });
        }

        public override Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context) =>
            app.ReceiveAsync(request, context.RequestHeaders);
    }

    private sealed class Health(TestApp app) : AppCallbackHealthCheck.AppCallbackHealthCheckBase
    {
        public override Task<HealthCheckResponse> HealthCheck(Empty request, ServerCallContext context) =>
            app.IsHealthy ? Task.FromResult(new HealthCheckResponse()) : throw new RpcException(new Status(app.UnhealthyAs, "unwell"));
    }
}
