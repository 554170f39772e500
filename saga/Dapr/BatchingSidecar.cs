using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Dapr;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Dapr;

/// <summary>
/// The Dapr sidecar of this process, with concurrent operations of one kind in one call: a bulk read, a bulk write, or a bulk publish per topic.
/// Each item succeeds or fails by itself, as in <see cref="DaprSidecar"/>.
/// </summary>
internal sealed class BatchingSidecar : DaprSidecar
{
    /// <summary>Calls of one kind in flight; further requests are batched.</summary>
    private const int MaxConcurrency = 4;

    /// <summary>Items per call: daprd publishes at most 100 at a time.</summary>
    private const int MaxBatchSize = 100;

    private readonly Batcher<string, GetStateResponse> reads;
    private readonly Batcher<StateItem, bool> writes;
    private readonly ConcurrentDictionary<string, Batcher<(BulkPublishRequestEntry Entry, string? Trace), bool>> publishers = new();

    /// <inheritdoc cref="DaprSidecar(DaprApi.DaprClient, AppId, JsonSerializerOptions)"/>
    public BatchingSidecar(DaprApi.DaprClient dapr, AppId appId, JsonSerializerOptions json) : base(dapr, appId, json)
    {
        reads = new(ReadBatchAsync, MaxConcurrency, MaxBatchSize);
        writes = new(WriteBatchAsync, MaxConcurrency, MaxBatchSize);
    }

    protected override Task<GetStateResponse> GetAsync(string storeKey, CancellationToken ct) => reads.SubmitAsync(storeKey, ct);

    protected override Task<bool> SaveAsync(StateItem item, CancellationToken ct) => writes.SubmitAsync(item, ct);

    protected override Task SendAsync(string topic, BulkPublishRequestEntry entry, CancellationToken ct)
    {
        var trace = Activity.Current is { IdFormat: ActivityIdFormat.W3C, Id: { } parent } ? parent : null;
        return publishers.GetOrAdd(topic, _ => new(entries => PublishBatchAsync(topic, entries), MaxConcurrency, MaxBatchSize))
            .SubmitAsync((entry, trace), ct);
    }

    private async Task<IReadOnlyList<Task<GetStateResponse>>> ReadBatchAsync(IReadOnlyList<string> keys)
    {
        if (keys is [var single]) return [await WhenCompletedAsync(ReadOneAsync(single))];
        try
        {
            // A key that is asked for twice would be answered twice.
            var all = await Dapr.GetBulkStateAsync(new() { StoreName = StateStore, Keys = { keys.Distinct() } });
            var byKey = all.Items.ToDictionary(item => item.Key);
            return [.. keys.Select(key => ToResult(byKey[key]))];
        }
        catch (RpcException)
        {
            // One refused key fails the whole call. Single reads fail separately.
            return [.. keys.Select(ReadOneAsync)];
        }
    }

    /// <summary>An item that could not be read must not look like a missing document.</summary>
    private static Task<GetStateResponse> ToResult(BulkStateItem item) => item.Error.Length > 0
        ? Task.FromException<GetStateResponse>(new DaprException($"{item.Key} could not be read: {item.Error}"))
        : Task.FromResult(new GetStateResponse { Data = item.Data, Etag = item.Etag });

    private async Task<IReadOnlyList<Task<bool>>> WriteBatchAsync(IReadOnlyList<StateItem> items)
    {
        if (items.Count == 0) return [];
        if (items is [var single]) return [await WhenCompletedAsync(WriteOneAsync(single))];
        try
        {
            await Dapr.SaveStateAsync(new() { StoreName = StateStore, States = { items } });
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
            if (!read.IsCompletedSuccessfully) isFaulty = true;
            else if ((await read).Etag == item.Etag.Value) rest.Add(item);
        }
        // Single writes fail separately, each with its own error.
        if (isFaulty || rest.Count == items.Count) return [.. items.Select(WriteOneAsync)];
        var again = new Queue<Task<bool>>(await WriteBatchAsync(rest));
        var left = rest.ToHashSet<object>(ReferenceEqualityComparer.Instance);
        return [.. items.Select(item => left.Contains(item) ? again.Dequeue() : Task.FromResult(false))];
    }

    private async Task<IReadOnlyList<Task<bool>>> PublishBatchAsync(string topic, IReadOnlyList<(BulkPublishRequestEntry Entry, string? Trace)> entries)
    {
        if (entries is [var (single, _)]) return [await WhenCompletedAsync(PublishOneAsync(topic, single))];
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
            await Dapr.BulkPublishEventAsync(request);
            return [.. entries.Select(_ => Task.FromResult(true))];
        }
        catch (RpcException)
        {
            // Some may have been published. Consumers recognise duplicates.
            return [.. entries.Select(one => PublishOneAsync(topic, one.Entry))];
        }
    }

    // A shared call outlives the callers that cancel.
    private Task<GetStateResponse> ReadOneAsync(string storeKey) => base.GetAsync(storeKey, default);

    private Task<bool> WriteOneAsync(StateItem item) => base.SaveAsync(item, default);

    private async Task<bool> PublishOneAsync(string topic, BulkPublishRequestEntry entry)
    {
        await base.SendAsync(topic, entry, default);
        return true;
    }

    /// <summary>Waits until the call has ended, successfully or not.</summary>
    private static async Task<Task<T>> WhenCompletedAsync<T>(Task<T> call)
    {
        await Task.WhenAny(call);
        return call;
    }
}
