using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dapr;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using Saga.Telemetry;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Dapr;

/// <summary>The Dapr sidecar of this process, by one call per operation. The only place that names its components.</summary>
/// <remarks>
/// It calls Dapr's gRPC API directly: DaprClient drops the per-item errors of bulk calls, so that an unreachable store would look like a missing
/// document, and gives the events of a bulk publish no ids of their own (<see cref="BatchingSidecar"/>).
/// </remarks>
/// <param name="appId">
/// Part of every key in the store, so that services that share a store do not share documents, whatever the component's keyPrefix.
/// </param>
/// <param name="json">The serialization of documents.</param>
internal class DaprSidecar(DaprApi.DaprClient dapr, AppId appId, JsonSerializerOptions json) : ISidecar
{
    /// <summary>The names of the components.</summary>
    public const string StateStore = "statestore";
    public const string PubSub = "pubsub";

    private const string Unlimited = "-1";

    private static readonly StateOptions FirstWrite = new() { Concurrency = StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite };

    /// <summary>The sidecar that a process uses: the plain one, or with batching.</summary>
    /// <param name="batching">Concurrent operations share a call: <see cref="BatchingSidecar"/>.</param>
    public static DaprSidecar Create(DaprApi.DaprClient dapr, AppId appId, JsonSerializerOptions json, bool batching) =>
        batching ? new BatchingSidecar(dapr, appId, json) : new DaprSidecar(dapr, appId, json);

    /// <summary>The generated client of Dapr's gRPC API.</summary>
    protected DaprApi.DaprClient Dapr => dapr;

    public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
    {
        SagaMetrics.CountOperation("read");
        var read = await GetAsync(ToStoreKey(key), ct);
        return new(key, read.Data.IsEmpty ? null : StoredDocument.Parse<T>(key, read.Data.Span, json), read.Etag);
    }

    public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken ct) where T : class =>
        await Task.WhenAll(keys.Select(key => ReadAsync<T>(key, ct)));

    public async Task<bool> TrySaveAsync<T>(Versioned<T> read, T value, TimeSpan? timeToLive, CancellationToken ct) where T : class
    {
        var item = new StateItem
        {
            Key = ToStoreKey(read.Key),
            Value = UnsafeByteOperations.UnsafeWrap(JsonSerializer.SerializeToUtf8Bytes(value, TypeOf<T>())),
            Etag = new() { Value = read.ETag },
            Options = FirstWrite,
            // Always said: a component may have a default, and whether a write without it clears an earlier one depends on the store.
            Metadata = { ["ttlInSeconds"] = timeToLive is { } time ? ((long)time.TotalSeconds).ToString(CultureInfo.InvariantCulture) : Unlimited },
        };
        SagaMetrics.CountOperation("write");
        if (await SaveAsync(item, ct)) return true;
        SagaMetrics.Conflicts.Add(1);
        return false;
    }

    public async Task DeleteAsync(string key, CancellationToken ct)
    {
        SagaMetrics.CountOperation("delete");
        try
        {
            await dapr.DeleteStateAsync(new() { StoreName = StateStore, Key = ToStoreKey(key) }, cancellationToken: ct);
        }
        catch (RpcException fault)
        {
            throw Failed($"{key} could not be deleted", fault, ct);
        }
    }

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct)
    {
        SagaTracing.SetOutcome(e.Topic);
        SagaMetrics.CountOperation("publish");
        return SendAsync(e.Topic, new()
        {
            Event = UnsafeByteOperations.UnsafeWrap(e.ToJson()),
            ContentType = "application/json",
            Metadata = { ["cloudevent.id"] = e.Id, ["cloudevent.type"] = e.Type },
        }, ct);
    }

    /// <summary>Reads the bytes of a document. Empty: it does not exist.</summary>
    protected virtual async Task<GetStateResponse> GetAsync(string storeKey, CancellationToken ct)
    {
        try
        {
            return await dapr.GetStateAsync(new() { StoreName = StateStore, Key = storeKey }, cancellationToken: ct);
        }
        catch (RpcException fault)
        {
            throw Failed($"{storeKey} could not be read", fault, ct);
        }
    }

    /// <summary>Writes a document unless it has another ETag.</summary>
    /// <returns>False: a conflict.</returns>
    protected virtual async Task<bool> SaveAsync(StateItem item, CancellationToken ct)
    {
        try
        {
            await dapr.SaveStateAsync(new() { StoreName = StateStore, States = { item } }, cancellationToken: ct);
            return true;
        }
        catch (RpcException refused)
        {
            // Redis reports a conflict on create as an internal error, and every fault of an update as a conflict. Only a read tells them apart: each
            // write changes the ETag, so that one refusal over the current ETag shows a fault, and a retry is left to the caller as after other faults.
            var mayBeConflict = refused.StatusCode == StatusCode.Aborted || item.Etag.Value.Length == 0;
            if (mayBeConflict && await HasChangedAsync(item, ct)) return false;
            throw Failed($"{item.Key} could not be written", refused, ct);
        }
    }

    /// <summary>Publishes one event.</summary>
    protected virtual async Task SendAsync(string topic, BulkPublishRequestEntry entry, CancellationToken ct)
    {
        try
        {
            await dapr.PublishEventAsync(
                new() { PubsubName = PubSub, Topic = topic, Data = entry.Event, DataContentType = entry.ContentType, Metadata = { entry.Metadata } },
                cancellationToken: ct);
        }
        catch (RpcException fault)
        {
            throw Failed($"An event on {topic} could not be published", fault, ct);
        }
    }

    /// <returns>False also when it cannot be read.</returns>
    private async Task<bool> HasChangedAsync(StateItem item, CancellationToken ct)
    {
        SagaMetrics.CountOperation("read");
        try
        {
            return (await dapr.GetStateAsync(new() { StoreName = StateStore, Key = item.Key }, cancellationToken: ct)).Etag != item.Etag.Value;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    private string ToStoreKey(string key) => $"{appId.Name}:{key}";

    private JsonTypeInfo<T> TypeOf<T>() => (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T));

    private static Exception Failed(string what, RpcException fault, CancellationToken ct) =>
        ct.IsCancellationRequested ? new OperationCanceledException(ct) : new DaprException($"{what}: {fault.Status.Detail}", fault);
}
