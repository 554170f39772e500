using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static Dapr.Client.Autogen.Grpc.v1.StateOptions.Types;

namespace Conformance;

/// <summary>Short forms of state calls.</summary>
internal static class StateCalls
{
    public const StateConcurrency Unspecified = StateConcurrency.ConcurrencyUnspecified;
    public const StateConcurrency FirstWrite = StateConcurrency.ConcurrencyFirstWrite;
    public const StateConcurrency LastWrite = StateConcurrency.ConcurrencyLastWrite;

    public static StateItem Item(
        string key, string value, string? etag = null, StateConcurrency concurrency = Unspecified, params (string Name, string Value)[] metadata)
    {
        var item = new StateItem { Key = key, Value = ByteString.CopyFromUtf8(value), Options = new StateOptions { Concurrency = concurrency } };
        if (etag is not null) item.Etag = new Etag { Value = etag };
        foreach (var (name, text) in metadata) item.Metadata[name] = text;
        return item;
    }

    public static async Task SaveAsync(this DaprService.DaprClient dapr, string store, params StateItem[] items) =>
        await dapr.SaveStateAsync(new SaveStateRequest { StoreName = store, States = { items } });

    public static async Task<(string Value, string Etag)> GetAsync(this DaprService.DaprClient dapr, string store, string key)
    {
        var response = await dapr.GetStateAsync(new GetStateRequest { StoreName = store, Key = key });
        return (response.Data.ToStringUtf8(), response.Etag);
    }

    public static async Task DeleteAsync(this DaprService.DaprClient dapr, string store, string key) =>
        await dapr.DeleteStateAsync(new DeleteStateRequest { StoreName = store, Key = key });
}
