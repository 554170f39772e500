using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Grpc.Core;
using Wire = Dapr.Client.Autogen.Grpc.v1;

namespace Dapr.Client;

internal sealed partial class SidecarClient
{
    public override async Task<TValue> GetStateAsync<TValue>(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var state = await GetAsync(storeName, key, consistencyMode, metadata, cancellationToken).ConfigureAwait(false);
        return FromJson<TValue>(state.Data)!;
    }

    public override async Task<(TValue value, string etag)> GetStateAndETagAsync<TValue>(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var state = await GetAsync(storeName, key, consistencyMode, metadata, cancellationToken).ConfigureAwait(false);
        return (FromJson<TValue>(state.Data)!, state.Etag);
    }

    public override async Task<ReadOnlyMemory<byte>> GetByteStateAsync(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var state = await GetAsync(storeName, key, consistencyMode, metadata, cancellationToken).ConfigureAwait(false);
        return state.Data.Memory;
    }

    public override async Task<(ReadOnlyMemory<byte>, string etag)> GetByteStateAndETagAsync(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var state = await GetAsync(storeName, key, consistencyMode, metadata, cancellationToken).ConfigureAwait(false);
        return (state.Data.Memory, state.Etag);
    }

    public override async Task<IReadOnlyList<BulkStateItem>> GetBulkStateAsync(
        string storeName,
        IReadOnlyList<string> keys,
        int? parallelism,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var items = await GetBulkAsync(storeName, keys, parallelism, metadata, cancellationToken).ConfigureAwait(false);
        return [.. items.Select(item => new BulkStateItem(item.Key, item.Data.ToStringUtf8(), item.Etag))];
    }

    public override async Task<IReadOnlyList<BulkStateItem<TValue>>> GetBulkStateAsync<TValue>(
        string storeName,
        IReadOnlyList<string> keys,
        int? parallelism,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        var items = await GetBulkAsync(storeName, keys, parallelism, metadata, cancellationToken).ConfigureAwait(false);
        return [.. items.Select(item => new BulkStateItem<TValue>(item.Key, FromJson<TValue>(item.Data), item.Etag))];
    }

    public override Task SaveStateAsync<TValue>(
        string storeName,
        string key,
        TValue value,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default) =>
        SaveAsync(storeName, key, JsonOrNothing(value), null, stateOptions, metadata, cancellationToken);

    public override Task<bool> TrySaveStateAsync<TValue>(
        string storeName,
        string key,
        TValue value,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(etag);
        return SaveAsync(storeName, key, JsonOrNothing(value), etag, stateOptions, metadata, cancellationToken);
    }

    public override Task SaveByteStateAsync(
        string storeName,
        string key,
        ReadOnlyMemory<byte> binaryValue,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default) =>
        SaveAsync(storeName, key, ByteString.CopyFrom(binaryValue.Span), null, stateOptions, metadata, cancellationToken);

    public override Task<bool> TrySaveByteStateAsync(
        string storeName,
        string key,
        ReadOnlyMemory<byte> binaryValue,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(etag);
        return SaveAsync(storeName, key, ByteString.CopyFrom(binaryValue.Span), etag, stateOptions, metadata, cancellationToken);
    }

    public override Task DeleteStateAsync(
        string storeName,
        string key,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default) =>
        DeleteAsync(storeName, key, null, stateOptions, metadata, cancellationToken);

    public override Task<bool> TryDeleteStateAsync(
        string storeName,
        string key,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(etag);
        return DeleteAsync(storeName, key, etag, stateOptions, metadata, cancellationToken);
    }

    private async Task<Wire.GetStateResponse> GetAsync(
        string storeName,
        string key,
        ConsistencyMode? consistency,
        IReadOnlyDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(storeName);
        ArgumentException.ThrowIfNullOrEmpty(key);
        var request = new Wire.GetStateRequest { StoreName = storeName, Key = key };
        if (consistency is { } mode)
        {
            request.Consistency = ToWire(mode);
        }

        Fill(request.Metadata, metadata);
        try
        {
            return await sidecar.GetStateAsync(request, Options(cancellationToken)).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            throw Failed("State", e);
        }
    }

    private async Task<RepeatedField<Wire.BulkStateItem>> GetBulkAsync(
        string storeName,
        IReadOnlyList<string> keys,
        int? parallelism,
        IReadOnlyDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(storeName);
        if (keys.Count == 0)
        {
            throw new ArgumentException("There are no keys to read.", nameof(keys));
        }

        var request = new Wire.GetBulkStateRequest { StoreName = storeName, Keys = { keys }, Parallelism = parallelism ?? 0 };
        Fill(request.Metadata, metadata);
        try
        {
            return (await sidecar.GetBulkStateAsync(request, Options(cancellationToken)).ConfigureAwait(false)).Items;
        }
        catch (RpcException e)
        {
            throw Failed("State", e);
        }
    }

    /// <param name="etag">Null: any, and then the answer is never false.</param>
    private async Task<bool> SaveAsync(
        string storeName,
        string key,
        ByteString value,
        string? etag,
        StateOptions? options,
        IReadOnlyDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(storeName);
        ArgumentException.ThrowIfNullOrEmpty(key);
        var state = new Wire.StateItem { Key = key, Value = value, Etag = ToWire(etag), Options = ToWire(options) };
        Fill(state.Metadata, metadata);
        try
        {
            await sidecar.SaveStateAsync(new() { StoreName = storeName, States = { state } }, Options(cancellationToken))
                .ConfigureAwait(false);
            return true;
        }
        catch (RpcException e) when (etag is not null && e.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
        catch (RpcException e)
        {
            throw Failed("State", e);
        }
    }

    /// <inheritdoc cref="SaveAsync"/>
    private async Task<bool> DeleteAsync(
        string storeName,
        string key,
        string? etag,
        StateOptions? options,
        IReadOnlyDictionary<string, string>? metadata,
        CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(storeName);
        ArgumentException.ThrowIfNullOrEmpty(key);
        var request = new Wire.DeleteStateRequest { StoreName = storeName, Key = key, Etag = ToWire(etag), Options = ToWire(options) };
        Fill(request.Metadata, metadata);
        try
        {
            await sidecar.DeleteStateAsync(request, Options(cancellationToken)).ConfigureAwait(false);
            return true;
        }
        catch (RpcException e) when (etag is not null && e.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
        catch (RpcException e)
        {
            throw Failed("State", e);
        }
    }

    private ByteString JsonOrNothing<TValue>(TValue value) => value is null ? ByteString.Empty : ToJson(value);

    private TValue? FromJson<TValue>(ByteString json)
    {
        if (json.IsEmpty)
        {
            return default;
        }

        try
        {
            return JsonSerializer.Deserialize<TValue>(json.Span, JsonSerializerOptions);
        }
        catch (JsonException e)
        {
            throw new DaprException(
                "State operation failed: the state payload could not be deserialized. See InnerException for details.", e);
        }
    }

    private static Wire.Etag? ToWire(string? etag) => etag is null ? null : new() { Value = etag };

    private static Wire.StateOptions? ToWire(StateOptions? options) => options is null ? null : new()
    {
        Consistency = options.Consistency is { } consistency ? ToWire(consistency) : default,
        Concurrency = options.Concurrency is { } concurrency ? ToWire(concurrency) : default,
    };

    private static Wire.StateOptions.Types.StateConsistency ToWire(ConsistencyMode consistency) => consistency switch
    {
        ConsistencyMode.Eventual => Wire.StateOptions.Types.StateConsistency.ConsistencyEventual,
        ConsistencyMode.Strong => Wire.StateOptions.Types.StateConsistency.ConsistencyStrong,
    };

    private static Wire.StateOptions.Types.StateConcurrency ToWire(ConcurrencyMode concurrency) => concurrency switch
    {
        ConcurrencyMode.FirstWrite => Wire.StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite,
        ConcurrencyMode.LastWrite => Wire.StateOptions.Types.StateConcurrency.ConcurrencyLastWrite,
    };
}
