using System.Collections.Concurrent;
using System.Diagnostics;
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

/// <summary>The Dapr sidecar of this process. The only place that names its components.</summary>
/// <remarks>
/// It calls Dapr's gRPC API directly: DaprClient drops the per-item errors of bulk calls, so that an unreachable store would look like a missing
/// document, and gives the events of a bulk publish no ids of their own.
/// </remarks>
public sealed class DaprSidecar : ISidecar
{
    public const string StateStore = "statestore";
    public const string PubSub = "pubsub";

    /// <summary>Calls of one kind in flight; further requests are batched.</summary>
    private const int MaxConcurrency = 4;

    /// <summary>Items per call: daprd publishes at most 100 at a time.</summary>
    private const int MaxBatchSize = 100;

    private const string Unlimited = "-1";

    private static readonly StateOptions FirstWrite = new() { Concurrency = StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite };

    private readonly DaprApi.DaprClient dapr;
    private readonly AppId appId;
    private readonly JsonSerializerOptions json;
    private readonly EventLoop eventLoop;
    private readonly Batcher<string, BulkStateItem> reads;
    private readonly Batcher<StateItem, bool> writes;
    private readonly ConcurrentDictionary<string, Batcher<(BulkPublishRequestEntry Entry, string? Trace), bool>> publishers = new();

    /// <param name="appId">
    /// Part of every key in the store, so that services that share a store do not share documents, whatever the component's keyPrefix.
    /// </param>
    /// <param name="json">The serialization of documents.</param>
    public DaprSidecar(DaprApi.DaprClient dapr, AppId appId, JsonSerializerOptions json, EventLoop eventLoop)
    {
        (this.dapr, this.appId, this.json, this.eventLoop) = (dapr, appId, json, eventLoop);
        reads = new(eventLoop, ReadBatchAsync, MaxConcurrency, MaxBatchSize);
        writes = new(eventLoop, WriteBatchAsync, MaxConcurrency, MaxBatchSize);
    }

    public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken ct) where T : class
    {
        var item = await reads.SubmitAsync(ToStoreKey(key), ct);
        if (item.Error.Length > 0) throw new DaprException($"{key} could not be read: {item.Error}");
        return new(key, item.Data.IsEmpty ? null : Parse<T>(key, item.Data.Span, json), item.Etag);
    }

    /// <summary>Reads a stored document.</summary>
    /// <exception cref="CorruptDocumentException">The bytes are not a <typeparamref name="T"/>, or break its invariants.</exception>
    internal static T Parse<T>(string key, ReadOnlySpan<byte> data, JsonSerializerOptions json) where T : class
    {
        T document;
        try
        {
            document = JsonSerializer.Deserialize(data, (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T))) ?? throw new JsonException("it is null.");
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException)
        {
            throw new CorruptDocumentException($"{key} is corrupt, no {typeof(T).Name}: {unreadable.Message}");
        }
        return (document as IHasInvariants)?.FindProblem(key) is { } problem
            ? throw new CorruptDocumentException($"{key} is corrupt: {problem}.")
            : document;
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
        if (await writes.SubmitAsync(item, ct)) return true;
        SagaMetrics.Conflicts.Add(1);
        return false;
    }

    public async Task DeleteAsync(string key, CancellationToken ct)
    {
        try
        {
            await dapr.DeleteStateAsync(new() { StoreName = StateStore, Key = ToStoreKey(key) }, cancellationToken: ct);
        }
        catch (RpcException fault)
        {
            throw Failed($"{key} could not be deleted", fault);
        }
    }

    public Task PublishAsync(OutgoingEvent e, CancellationToken ct)
    {
        SagaTracing.SetOutcome(e.Topic);
        var entry = new BulkPublishRequestEntry
        {
            Event = UnsafeByteOperations.UnsafeWrap(e.ToJson()),
            ContentType = "application/json",
            Metadata = { ["cloudevent.id"] = e.Id, ["cloudevent.type"] = e.Type },
        };
        var trace = Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } parent } ? parent : null;
        return publishers.GetOrAdd(e.Topic, topic => new(eventLoop, entries => PublishBatchAsync(topic, entries), MaxConcurrency, MaxBatchSize))
            .SubmitAsync((entry, trace), ct);
    }

    private async Task<IReadOnlyList<Task<BulkStateItem>>> ReadBatchAsync(IReadOnlyList<string> keys)
    {
        if (keys is [var single]) return [await WhenCompletedAsync(ReadAsync(single))];
        try
        {
            // A key that is asked for twice would be answered twice.
            var all = await dapr.GetBulkStateAsync(new() { StoreName = StateStore, Keys = { keys.Distinct() } });
            var byKey = all.Items.ToDictionary(item => item.Key);
            return [.. keys.Select(key => Task.FromResult(byKey[key]))];
        }
        catch (RpcException)
        {
            // One refused key fails the whole call. Single reads fail separately.
            return [.. keys.Select(ReadAsync)];
        }
    }

    private async Task<BulkStateItem> ReadAsync(string key)
    {
        try
        {
            var one = await dapr.GetStateAsync(new() { StoreName = StateStore, Key = key });
            return new() { Key = key, Data = one.Data, Etag = one.Etag };
        }
        catch (RpcException fault)
        {
            throw Failed($"{key} could not be read", fault);
        }
    }

    private async Task<IReadOnlyList<Task<bool>>> WriteBatchAsync(IReadOnlyList<StateItem> items)
    {
        if (items.Count == 0) return [];
        if (items is [var single]) return [await WhenCompletedAsync(WriteAsync(single))];
        try
        {
            await dapr.SaveStateAsync(new() { StoreName = StateStore, States = { items } });
            return [.. items.Select(_ => Task.FromResult(true))];
        }
        catch (RpcException)
        {
            return await RetryUnwrittenAsync(items);
        }
    }

    /// <summary>
    /// A failed bulk write does not say which items were written. A document whose ETag has changed counts as a conflict, even if it was changed by
    /// this write: the caller decides anew and finds its own effect. The others are written again.
    /// </summary>
    private async Task<IReadOnlyList<Task<bool>>> RetryUnwrittenAsync(IReadOnlyList<StateItem> items)
    {
        var now = await ReadBatchAsync([.. items.Select(item => item.Key)]);
        List<StateItem> rest = [];
        var isFaulty = false;
        foreach (var (item, read) in items.Zip(now))
        {
            await Task.WhenAny(read);
            var kept = read.IsCompletedSuccessfully ? await read : null;
            if (kept is null || kept.Error.Length > 0) isFaulty = true;
            else if (kept.Etag == item.Etag.Value) rest.Add(item);
        }
        // Single writes fail separately, each with its own error.
        if (isFaulty || rest.Count == items.Count) return [.. items.Select(WriteAsync)];
        var again = new Queue<Task<bool>>(await WriteBatchAsync(rest));
        var left = rest.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        return [.. items.Select(item => left.Contains(item) ? again.Dequeue() : Task.FromResult(false))];
    }

    private async Task<bool> WriteAsync(StateItem item)
    {
        try
        {
            await dapr.SaveStateAsync(new() { StoreName = StateStore, States = { item } });
            return true;
        }
        catch (RpcException conflict) when (conflict.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
        catch (RpcException fault)
        {
            // Redis reports a conflict on create as an internal error. Only a read tells it from a fault.
            if (item.Etag.Value.Length == 0 && await IsThereAsync(item.Key)) return false;
            throw Failed($"{item.Key} could not be written", fault);
        }
    }

    private async Task<bool> IsThereAsync(string key)
    {
        try
        {
            return !(await dapr.GetStateAsync(new() { StoreName = StateStore, Key = key })).Data.IsEmpty;
        }
        catch (RpcException)
        {
            return false;
        }
    }

    private async Task<IReadOnlyList<Task<bool>>> PublishBatchAsync(string topic, IReadOnlyList<(BulkPublishRequestEntry Entry, string? Trace)> entries)
    {
        if (entries is [var (single, _)]) return [await WhenCompletedAsync(PublishAsync(topic, single))];
        var request = new BulkPublishRequest { PubsubName = PubSub, Topic = topic };
        foreach (var (entry, trace) in entries)
        {
            entry.EntryId = request.Entries.Count.ToString(CultureInfo.InvariantCulture);
            // The call has one trace parent; each event keeps its own.
            if (trace is not null) entry.Metadata.Add("cloudevent.traceparent", trace);
            request.Entries.Add(entry);
        }
        try
        {
            await dapr.BulkPublishEventAsync(request);
            return [.. entries.Select(_ => Task.FromResult(true))];
        }
        catch (RpcException)
        {
            // Some may have been published. Consumers recognise duplicates.
            return [.. entries.Select(one => PublishAsync(topic, one.Entry))];
        }
    }

    private async Task<bool> PublishAsync(string topic, BulkPublishRequestEntry entry)
    {
        try
        {
            await dapr.PublishEventAsync(
                new() { PubsubName = PubSub, Topic = topic, Data = entry.Event, DataContentType = entry.ContentType, Metadata = { entry.Metadata } });
            return true;
        }
        catch (RpcException fault)
        {
            throw Failed($"An event on {topic} could not be published", fault);
        }
    }

    /// <summary>Waits until the call has ended, successfully or not.</summary>
    private static async Task<Task<T>> WhenCompletedAsync<T>(Task<T> call)
    {
        await Task.WhenAny(call);
        return call;
    }

    private string ToStoreKey(string key) => $"{appId.Name}:{key}";

    private JsonTypeInfo<T> TypeOf<T>() => (JsonTypeInfo<T>)json.GetTypeInfo(typeof(T));

    private static DaprException Failed(string what, RpcException fault) => new($"{what}: {fault.Status.Detail}", fault);
}
