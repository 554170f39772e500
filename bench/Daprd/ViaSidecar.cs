using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;

namespace Bench;

/// <summary>Operations through sidecars: app one calls, app two receives the events.</summary>
internal sealed class ViaSidecar(Sidecars sidecars)
{
    private const int Keys = 1000;

    public IReadOnlyList<App> Apps => sidecars.Apps;

    public Task PublishAsync(int number) => PublishAsync(app: 0, Sidecars.AppIds[1], number);

    public Task PublishUnsubscribedAsync(int number) => PublishAsync(app: 0, "unheard", number);

    public async Task PublishAsync(int app, string topic, int number) => await sidecars.Clients[app].PublishEventAsync(new PublishEventRequest
    {
        PubsubName = "pubsub", Topic = topic, Data = UnsafeByteOperations.UnsafeWrap(Event.Data(number)), DataContentType = "application/json",
    });

    /// <summary>A call that the sidecar answers without any work.</summary>
    public async Task CallAsync(int number) => await sidecars.Clients[0].GetBulkStateAsync(new GetBulkStateRequest { StoreName = "store" });

    public Task ReadAsync(int number) => ReadAsync(app: 0, number);

    public Task WriteAsync(int number) => WriteAsync(app: 0, number);

    public async Task ReadAsync(int app, int number) =>
        await sidecars.Clients[app].GetStateAsync(new GetStateRequest { StoreName = "store", Key = $"key-{number % Keys}" });

    public async Task WriteAsync(int app, int number) => await sidecars.Clients[app].SaveStateAsync(new SaveStateRequest
    {
        StoreName = "store", States = { new StateItem { Key = $"key-{number % Keys}", Value = UnsafeByteOperations.UnsafeWrap(Event.Data(number)) } },
    });

    /// <summary>Receives events until the result is disposed.</summary>
    public Task<IAsyncDisposable> SubscribeAsync(Action<ReadOnlyMemory<byte>> onEvent)
    {
        Apps[1].OnEvent = onEvent;
        return Task.FromResult<IAsyncDisposable>(new Subscription(Apps[1]));
    }

    private sealed class Subscription(App app) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            app.OnEvent = _ => { };
            return ValueTask.CompletedTask;
        }
    }
}
