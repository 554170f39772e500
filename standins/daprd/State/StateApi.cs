using System.Globalization;
using System.Text.Json;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.Api;
using Daprd.Files;
using Daprd.Json;
using Daprd.Resiliency;
using Grpc.Core;
using static Dapr.Client.Autogen.Grpc.v1.StateOptions.Types;

namespace Daprd.State;

/// <summary>The state building block of one app, the same for gRPC and HTTP. Every failure is an <see cref="ApiException"/>.</summary>
internal sealed class StateApi(Policies policies)
{
    private readonly Dictionary<string, Store> _stores = [];

    private sealed record Store(string Name, IStateStore Kept, StateKeys Keys, Policy Policy);

    public void Add(Component component, IStateStore store, string appId) =>
        _stores[component.Name] = new Store(
            component.Name, store, new StateKeys(component, appId), policies.ForComponent(component.Name, "Statestore", Direction.Outbound));

    public async Task<StateValue?> GetAsync(string storeName, string key, CancellationToken stop)
    {
        var store = Find(storeName);
        var full = store.Keys.Full(key);
        try
        {
            return await store.Policy.RunAsync(limit => store.Kept.GetAsync(full).WaitAsync(limit), stop);
        }
        catch (Exception failure) when (failure is not ApiException)
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_STATE_GET", $"fail to get {key} from state store {storeName}: {failure.Message}", "ERR_STATE_GET");
        }
    }

    /// <summary>One answer for each key, in order. A key that cannot be read has an error; the call as a whole succeeds.</summary>
    /// <param name="parallelism">Zero or less reads all at once.</param>
    public async Task<IReadOnlyList<BulkStateItem>> GetManyAsync(string storeName, IReadOnlyList<string> keys, int parallelism, CancellationToken stop)
    {
        var store = Find(storeName);
        var full = keys.Select(store.Keys.Full).ToList();
        if (store.Policy.IsNone && (parallelism <= 0 || parallelism >= keys.Count))
        {
            var found = await store.Kept.GetManyAsync(full);
            return [.. keys.Zip(found, (key, one) => one.Failure is { } failure ? new BulkStateItem { Key = key, Error = failure.Message } : Item(key, one.Value))];
        }

        using var permits = new SemaphoreSlim(parallelism > 0 ? parallelism : Math.Max(1, keys.Count));
        return await Task.WhenAll(keys.Select(async (key, i) =>
        {
            await permits.WaitAsync(stop);
            try
            {
                return Item(key, await store.Policy.RunAsync(limit => store.Kept.GetAsync(full[i]).WaitAsync(limit), stop));
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

    /// <summary>Many items are written independently of each other: when one fails, the others may be there.</summary>
    public async Task SaveAsync(string storeName, IReadOnlyList<StateItem> items, CancellationToken stop)
    {
        var store = Find(storeName);
        var writes = new List<StateWrite>(items.Count);
        var failures = new List<Exception?>();
        foreach (var item in items)
        {
            if (item.Key.Length == 0) throw new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_SAVE", "state key cannot be empty", "ERR_STATE_SAVE");
            var (key, data) = (store.Keys.Full(item.Key), IsJson(item) ? Reencode(item.Value.Memory) : item.Value.Memory);
            try
            {
                writes.Add(Write(key, item, data));
            }
            catch (FormatException wrong)
            {
                failures.Add(wrong);
            }
        }

        failures.AddRange(store.Policy.IsNone ? await store.Kept.SetManyAsync(writes) : await EachAsync(store, writes, store.Kept.SetAsync, stop));
        ThrowAny(failures, cause => SaveFailed(storeName, cause));
    }

    public async Task DeleteAsync(string storeName, IReadOnlyList<StateItem> items, CancellationToken stop)
    {
        var store = Find(storeName);
        var removals = items.Select(item => new StateRemoval(store.Keys.Full(item.Key), Etag(item))).ToList();
        var keys = string.Join(", ", items.Select(i => i.Key));
        var failures = await EachAsync(store, removals, store.Kept.DeleteAsync, stop);
        ThrowAny(failures, cause => Failed("ERR_STATE_DELETE", $"failed deleting state with key {keys}", cause));
    }

    public async Task TransactAsync(string storeName, IReadOnlyList<TransactionalStateOperation> operations, CancellationToken stop)
    {
        var store = Find(storeName);
        if (operations.Count == 0) return;
        try
        {
            var steps = operations.Select(operation => Step(store, operation)).ToList();
            await store.Policy.RunAsync(limit => store.Kept.TransactAsync(steps).WaitAsync(limit), stop);
        }
        catch (Exception failure) when (failure is not ApiException)
        {
            throw new ApiException(
                StatusCode.Internal, 500, "ERR_STATE_TRANSACTION", $"error while executing state transaction: {failure.Message}", "ERR_STATE_TRANSACTION");
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

    private static StateOperation Step(Store store, TransactionalStateOperation operation)
    {
        var item = operation.Request ?? new StateItem();
        return operation.OperationType switch
        {
            "upsert" => new StateOperation(Write(store.Keys.Full(item.Key), item, item.Value.Memory), null),
            "delete" => new StateOperation(null, new StateRemoval(store.Keys.Full(item.Key), Etag(item))),
            var other => throw new ApiException(
                StatusCode.Unimplemented, 400, "ERR_NOT_SUPPORTED_STATE_OPERATION", $"operation type {other} not supported", "ERR_NOT_SUPPORTED_STATE_OPERATION"),
        };
    }

    /// <summary>Throws <see cref="FormatException"/> when the time to live is no number.</summary>
    private static StateWrite Write(string key, StateItem item, ReadOnlyMemory<byte> data) => new(
        key,
        data,
        Etag(item),
        item.Options?.Concurrency == StateConcurrency.ConcurrencyFirstWrite,
        item.Options?.Concurrency == StateConcurrency.ConcurrencyLastWrite,
        item.Options?.Consistency == StateConsistency.ConsistencyStrong,
        TtlSeconds(item),
        IsJson(item));

    private static bool IsJson(StateItem item) => item.Metadata.GetValueOrDefault("contentType") == "application/json";

    /// <summary>What becomes of a JSON value that the sidecar decodes before storing it.</summary>
    public static byte[] Reencode(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return GoJson.Bytes(document.RootElement, (writer, root) => GoJson.Write(writer, root, JsonForm.SixDecimals), escapeHtml: false);
        }
        catch (JsonException broken)
        {
            throw new ApiException(StatusCode.Unknown, 400, "ERR_MALFORMED_REQUEST", broken.Message);
        }
    }

    private static int? TtlSeconds(StateItem item) =>
        item.Metadata.FirstOrDefault(m => m.Key.Equals("ttlInSeconds", StringComparison.OrdinalIgnoreCase)).Value is not { Length: > 0 } text ? null
        : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds) ? seconds
        : throw new FormatException($"failed to parse ttl from metadata: incorrect value for metadata 'ttlInSeconds': '{text}'");

    private static string? Etag(StateItem item) => item.Etag?.Value is { Length: > 0 } etag ? etag : null;

    /// <summary>Why each was not done, in order; null when it was.</summary>
    private static Task<Exception?[]> EachAsync<T>(Store store, IReadOnlyList<T> changes, Func<T, Task> change, CancellationToken stop) =>
        Task.WhenAll(changes.Select(async one =>
        {
            try
            {
                await store.Policy.RunAsync(limit => change(one).WaitAsync(limit), stop, final: failure => failure is EtagException);
                return null;
            }
            catch (Exception failure)
            {
                return failure;
            }
        }));

    private static void ThrowAny(IEnumerable<Exception?> failures, Func<Exception, ApiException> failed)
    {
        var all = failures.OfType<Exception>().ToList();
        if (all.Count == 1) throw failed(all[0]);
        if (all.Count > 1) throw failed((Exception?)all.OfType<EtagException>().FirstOrDefault() ?? new Exception(string.Join("\n", all.Select(f => f.Message))));
    }

    private static ApiException SaveFailed(string store, Exception cause) => Failed("ERR_STATE_SAVE", $"failed saving state in state store {store}", cause);

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
        if (_stores.TryGetValue(name, out var store)) return store;
        throw _stores.Count == 0
            ? new ApiException(
                StatusCode.FailedPrecondition, 500, "ERR_STATE_STORE_NOT_CONFIGURED", $"state store {name} is not configured", "DAPR_STATE_NOT_CONFIGURED")
            : new ApiException(StatusCode.InvalidArgument, 400, "ERR_STATE_STORE_NOT_FOUND", $"state store {name} is not found", "DAPR_STATE_NOT_FOUND");
    }
}
