using System.Globalization;
using Dapr;
using Dapr.Client;

namespace Saga;

/// <summary>The sidecar beside this process. The only place that knows the names of its components.</summary>
public sealed class DaprSidecar(DaprClient dapr) : ISidecar
{
    public const string StateStore = "statestore";
    public const string PubSub = "pubsub";

    private static readonly StateOptions FirstWrite = new() { Concurrency = ConcurrencyMode.FirstWrite };

    public async Task<Versioned<T>> ReadAsync<T>(string key, CancellationToken stop) where T : class
    {
        var (value, etag) = await dapr.GetStateAndETagAsync<T?>(StateStore, key, cancellationToken: stop);
        return new(key, value, etag);
    }

    public async Task<IReadOnlyList<Versioned<T>>> ReadManyAsync<T>(IReadOnlyList<string> keys, CancellationToken stop) where T : class
    {
        if (keys.Count == 0) return [];
        // An order can be in an open log twice; asked for twice it would be answered twice.
        var found = await dapr.GetBulkStateAsync<T?>(StateStore, [.. keys.Distinct()], parallelism: null, cancellationToken: stop);
        var byKey = found.Where(item => item.Value is not null).ToDictionary(item => item.Key);
        // What could not be read looks like what is not there: the client drops the error of a single item. A read of its own tells them apart.
        return await Task.WhenAll(keys.Select(key =>
            byKey.TryGetValue(key, out var item) ? Task.FromResult(new Versioned<T>(key, item.Value, item.ETag)) : ReadAsync<T>(key, stop)));
    }

    public async Task<bool> TryWriteAsync<T>(Versioned<T> read, T value, TimeSpan? keepFor, CancellationToken stop) where T : class
    {
        var metadata = keepFor is { } time
            ? new Dictionary<string, string> { ["ttlInSeconds"] = ((long)time.TotalSeconds).ToString(CultureInfo.InvariantCulture) }
            : null;
        try
        {
            return await dapr.TrySaveStateAsync(StateStore, read.Key, value, read.ETag, FirstWrite, metadata, stop);
        }
        catch (DaprException) when (read.ETag.Length == 0)
        {
            // Redis reports a lost create as an internal error. Only a read tells it from a fault.
            var (there, _) = await dapr.GetStateAndETagAsync<T?>(StateStore, read.Key, cancellationToken: stop);
            if (there is null) throw;
            return false;
        }
    }

    public Task DeleteAsync(string key, CancellationToken stop) =>
        dapr.DeleteStateAsync(StateStore, key, cancellationToken: stop);

    public Task PublishAsync(Event said, CancellationToken stop)
    {
        SagaTrace.Outcome(said.Topic);
        return dapr.PublishByteEventAsync(PubSub, said.Topic, said.ToJson(), "application/json",
            new Dictionary<string, string> { ["cloudevent.id"] = said.Id, ["cloudevent.type"] = said.Type }, stop);
    }
}
