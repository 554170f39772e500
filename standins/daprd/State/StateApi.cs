using System.Globalization;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.Api;
using Daprd.Files;
using Grpc.Core;
using static Dapr.Client.Autogen.Grpc.v1.StateOptions.Types;

namespace Daprd.State;

/// <summary>The state API of one app. Every failure is an <see cref="ApiException"/>.</summary>
internal sealed class StateApi
{
    private readonly Dictionary<string, Store> stores = [];

    private sealed record Store(IStateStore Kept, StateKeys Keys);

    public void Add(Component component, IStateStore store, string appId) => stores[component.Name] = new Store(store, new StateKeys(component, appId));

    public async Task<StateValue?> GetAsync(string storeName, string key)
    {
        var store = Find(storeName);
        var full = store.Keys.Full(key);
        try
        {
            return await store.Kept.GetAsync(full);
        }
        catch (Exception failure) when (failure is not ApiException)
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_STATE_GET", $"fail to get {key} from state store {storeName}: {failure.Message}", "ERR_STATE_GET");
        }
    }

    /// <summary>Returns one item per key, in order. An unreadable key has an error; the call as a whole succeeds.</summary>
    /// <param name="parallelism">Maximum number of concurrent reads; zero or less: no limit.</param>
    public async Task<IReadOnlyList<BulkStateItem>> GetManyAsync(string storeName, IReadOnlyList<string> keys, int parallelism, CancellationToken ct)
    {
        var store = Find(storeName);
        var full = keys.Select(store.Keys.Full).ToList();
        if (parallelism <= 0 || parallelism >= keys.Count)
        {
            var found = await store.Kept.GetManyAsync(full);
            return
            [
                .. keys.Zip(found, (key, one) => one.Failure is { } failure
                    ? new BulkStateItem { Key = key, Error = failure.Message }
                    : Item(key, one.Value)),
            ];
        }

        using var permits = new SemaphoreSlim(parallelism);
        return await Task.WhenAll(keys.Select(async (key, i) =>
        {
            await permits.WaitAsync(ct);
            try
            {
                return Item(key, await store.Kept.GetAsync(full[i]));
            }
            catch (Exception failure)
            {
                return new BulkStateItem { Key = key, Error = failure.Message };
            }
            finally
            {
                permits.Release();
            }
        }));
    }

    /// <summary>Items are written independently: if one fails, others may have been written.</summary>
    public async Task SaveAsync(string storeName, IReadOnlyList<StateItem> items)
    {
        var store = Find(storeName);
        var writes = new List<StateWrite>(items.Count);
        var failures = new List<Exception?>();
        foreach (var item in items)
        {
            if (item.Key.Length == 0) throw new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_SAVE", "state key cannot be empty", "ERR_STATE_SAVE");
            if (item.Metadata.GetValueOrDefault("contentType") == "application/json")
            {
                throw new ApiException(StatusCode.Unimplemented, 501, "ERR_STATE_SAVE", "state that calls itself JSON is not in this stand-in for daprd");
            }

            var key = store.Keys.Full(item.Key);
            try
            {
                writes.Add(Write(key, item));
            }
            catch (FormatException wrong)
            {
                failures.Add(wrong);
            }
        }

        failures.AddRange(await store.Kept.SetManyAsync(writes));
        var all = failures.OfType<Exception>().ToList();
        if (all.Count == 0) return;
        var cause = all.Count == 1 ? all[0]
            : all.OfType<EtagException>().FirstOrDefault() ?? (Exception)new InvalidOperationException(string.Join("\n", all.Select(f => f.Message)));
        throw Failed("ERR_STATE_SAVE", $"failed saving state in state store {storeName}", cause);
    }

    public async Task DeleteAsync(string storeName, StateItem item)
    {
        var store = Find(storeName);
        var removal = new StateRemoval(store.Keys.Full(item.Key), Etag(item));
        try
        {
            await store.Kept.DeleteAsync(removal);
        }
        catch (Exception failure)
        {
            throw Failed("ERR_STATE_DELETE", $"failed deleting state with key {item.Key}", failure);
        }
    }

    private static BulkStateItem Item(string key, StateValue? value)
    {
        var item = new BulkStateItem { Key = key };
        if (value is null) return item;
        item.Data = Google.Protobuf.UnsafeByteOperations.UnsafeWrap(value.Data);
        item.Etag = value.Etag ?? "";
        if (value.ExpiresAt is { } time) item.Metadata["ttlExpireTime"] = time;
        return item;
    }

    /// <summary>Throws <see cref="FormatException"/> if the TTL is not a number.</summary>
    private static StateWrite Write(string key, StateItem item) => new(
        key,
        item.Value.Memory,
        Etag(item),
        item.Options?.Concurrency == StateConcurrency.ConcurrencyFirstWrite,
        item.Options?.Concurrency == StateConcurrency.ConcurrencyLastWrite,
        item.Options?.Consistency == StateConsistency.ConsistencyStrong,
        TtlSeconds(item));

    private static int? TtlSeconds(StateItem item) =>
        item.Metadata.FirstOrDefault(m => m.Key.Equals("ttlInSeconds", StringComparison.OrdinalIgnoreCase)).Value is not { Length: > 0 } text ? null
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds) ? seconds
        : throw new FormatException($"failed to parse ttl from metadata: incorrect value for metadata 'ttlInSeconds': '{text}'");

    private static string? Etag(StateItem item) => item.Etag?.Value is { Length: > 0 } etag ? etag : null;

    private static ApiException Failed(string code, string what, Exception cause)
    {
        var (status, http) = cause switch
        {
            EtagException { Invalid: true } => (StatusCode.InvalidArgument, 400),
            EtagException => (StatusCode.Aborted, 409),
            _ => (StatusCode.Internal, 500),
        };
        return new ApiException(status, http, code, $"{what}: {cause.Message}", code);
    }

    private Store Find(string name)
    {
        if (stores.TryGetValue(name, out var store)) return store;
        throw stores.Count == 0
            ? new ApiException(
                StatusCode.FailedPrecondition, 500, "ERR_STATE_STORE_NOT_CONFIGURED", $"state store {name} is not configured", "DAPR_STATE_NOT_CONFIGURED")
            : new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_STORE_NOT_FOUND", $"state store {name} is not found", "DAPR_STATE_NOT_FOUND");
    }
}
