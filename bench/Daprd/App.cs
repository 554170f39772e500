using Dapr.AppCallback.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Bench;

/// <summary>An app that subscribes to the topic with its own name and reports each event at once.</summary>
internal sealed class App : IAsyncDisposable
{
    private readonly WebApplication server;

    private App(WebApplication server) => this.server = server;

    /// <summary>Receives the data of each event.</summary>
    public Action<ReadOnlyMemory<byte>> OnEvent { get; set; } = _ => { };

    public static async Task<App> StartAsync(int port, string topic)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(port, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton<Callback>();
        var server = builder.Build();
        server.MapGrpcService<Callback>();
        var app = new App(server);
        var callback = server.Services.GetRequiredService<Callback>();
        (callback.App, callback.Topic) = (app, topic);
        await server.StartAsync();
        return app;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private sealed class Callback : AppCallback.AppCallbackBase
    {
        private static readonly Task<TopicEventResponse> Success = Task.FromResult(new TopicEventResponse());

        public App App { get; set; } = null!;

        public string Topic { get; set; } = "";

        public override Task<ListTopicSubscriptionsResponse> ListTopicSubscriptions(Empty request, ServerCallContext context) =>
            Task.FromResult(new ListTopicSubscriptionsResponse { Subscriptions = { new TopicSubscription { PubsubName = "pubsub", Topic = Topic } } });

        public override Task<TopicEventResponse> OnTopicEvent(TopicEventRequest request, ServerCallContext context)
        {
            App.OnEvent(request.Data.Memory);
            return Success;
        }
    }
}
