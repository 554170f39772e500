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
        catch (Exception failure)
        {
            throw Failed("ERR_STATE_GET", $"fail to get {key} from state store {storeName}", failure);
        }
    }

    /// <summary>Reads concurrently. Returns one item per key, in order. An unreadable key has an error; the call as a whole succeeds.</summary>
    public async Task<BulkStateItem[]> GetManyAsync(string storeName, IEnumerable<string> keys)
    {
        var store = Find(storeName);
        return await Task.WhenAll(keys.Select(key => (Key: key, Full: store.Keys.Full(key))).Select(async one =>
        {
            var item = new BulkStateItem { Key = one.Key };
            try
            {
                if (await store.Kept.GetAsync(one.Full) is not { } value) return item;
                item.Data = Google.Protobuf.UnsafeByteOperations.UnsafeWrap(value.Data);
                item.Etag = value.Etag ?? "";
                if (value.ExpiresAt is { } time) item.Metadata["ttlExpireTime"] = time;
            }
            catch (Exception failure)
            {
                item.Error = failure.Message;
            }

            return item;
        }));
    }

    /// <summary>Items are written concurrently and independently: if one fails, others may have been written.</summary>
    public async Task SaveAsync(string storeName, IReadOnlyList<StateItem> items)
    {
        var store = Find(storeName);
        if (items.Any(item => item.Key.Length == 0)) throw new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_SAVE", "state key cannot be empty");
        var saves = await Task.WhenAll(items.Select(item => (Item: item, Key: store.Keys.Full(item.Key))).Select(async one =>
        {
            try
            {
                await store.Kept.SetAsync(Write(one.Key, one.Item));
                return null;
            }
            catch (Exception failure)
            {
                return failure;
            }
        }));
        var failures = saves.OfType<Exception>().ToList();
        // A conflict decides the status of the whole.
        if (failures.Count > 0) throw Failed("ERR_STATE_SAVE", $"failed saving state in state store {storeName}", failures.Find(f => f is EtagException) ?? failures[0]);
    }

    /// <param name="etag">Empty: unconditionally, which is all that is supported.</param>
    public async Task DeleteAsync(string storeName, string key, string etag)
    {
        var store = Find(storeName);
        if (etag.Length > 0) throw new ApiException(StatusCode.Unimplemented, 501, "ERR_NOT_IN_STAND_IN", "a delete with an ETag is not in this stand-in for daprd");
        var full = store.Keys.Full(key);
        try
        {
            await store.Kept.DeleteAsync(full);
        }
        catch (Exception failure)
        {
            throw Failed("ERR_STATE_DELETE", $"failed deleting state with key {key}", failure);
        }
    }

    /// <summary>Throws <see cref="FormatException"/> if the TTL is not a number.</summary>
    private static StateWrite Write(string key, StateItem item) => new(
        key,
        item.Value.Memory,
        item.Etag?.Value ?? "",
        item.Options?.Concurrency == StateConcurrency.ConcurrencyFirstWrite,
        item.Options?.Concurrency == StateConcurrency.ConcurrencyLastWrite,
        TtlSeconds(item));

    private static int? TtlSeconds(StateItem item) =>
        item.Metadata.FirstOrDefault(m => m.Key.Equals("ttlInSeconds", StringComparison.OrdinalIgnoreCase)).Value is not { Length: > 0 } text ? null
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds) ? seconds
        : throw new FormatException($"failed to parse ttl from metadata: incorrect value for metadata 'ttlInSeconds': '{text}'");

    private static ApiException Failed(string code, string what, Exception cause)
    {
        var (status, http) = cause switch
        {
            EtagException { Invalid: true } => (StatusCode.InvalidArgument, 400),
            EtagException => (StatusCode.Aborted, 409),
            _ => (StatusCode.Internal, 500),
        };
        return new ApiException(status, http, code, $"{what}: {cause.Message}");
    }

    private Store Find(string name) => stores.TryGetValue(name, out var store) ? store
        : stores.Count == 0 ? throw new ApiException(
            StatusCode.FailedPrecondition, 500, "ERR_STATE_STORE_NOT_CONFIGURED", $"state store {name} is not configured")
        : throw new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_STORE_NOT_FOUND", $"state store {name} is not found");
}
