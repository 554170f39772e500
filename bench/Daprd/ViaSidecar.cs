using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;

namespace Bench;

/// <summary>Everything done through sidecars: app one does it, and app two hears what is published.</summary>
internal sealed class ViaSidecar(Sidecars sidecars)
{
    private const int Keys = 1000;

    public IReadOnlyList<App> Apps => sidecars.Apps;

    public Task PublishAsync(int number) => PublishAsync(app: 0, Sidecars.AppIds[1], number);

    public Task PublishUnheardAsync(int number) => PublishAsync(app: 0, "unheard", number);

    public async Task PublishAsync(int app, string topic, int number) => await sidecars.Clients[app].PublishEventAsync(new PublishEventRequest
    {
        PubsubName = "pubsub", Topic = topic, Data = UnsafeByteOperations.UnsafeWrap(Event.Data(number)), DataContentType = "application/json",
    });

    /// <summary>A call that the sidecar answers without doing anything.</summary>
    public async Task CallAsync(int number) => await sidecars.Clients[0].SetMetadataAsync(new SetMetadataRequest());

    public Task ReadAsync(int number) => ReadAsync(app: 0, number);

    public Task WriteAsync(int number) => WriteAsync(app: 0, number);

    public async Task ReadAsync(int app, int number) =>
        await sidecars.Clients[app].GetStateAsync(new GetStateRequest { StoreName = "store", Key = $"key-{number % Keys}" });

    public async Task WriteAsync(int app, int number) => await sidecars.Clients[app].SaveStateAsync(new SaveStateRequest
    {
        StoreName = "store", States = { new StateItem { Key = $"key-{number % Keys}", Value = UnsafeByteOperations.UnsafeWrap(Event.Data(number)) } },
    });

    /// <summary>Hears events until told to stop.</summary>
    public Task<IAsyncDisposable> HearAsync(Action<ReadOnlyMemory<byte>> heard)
    {
        Apps[1].Heard = heard;
        return Task.FromResult<IAsyncDisposable>(new Hearing(Apps[1]));
    }

    private sealed class Hearing(App app) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            app.Heard = _ => { };
            return ValueTask.CompletedTask;
        }
    }
}
