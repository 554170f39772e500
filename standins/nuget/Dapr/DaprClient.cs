using System.Text.Json;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;

namespace Dapr.Client;

/// <summary>
/// What an application asks of its sidecar. Every operation throws <see cref="DaprException"/> when the sidecar fails it,
/// and <see cref="OperationCanceledException"/> when it is cancelled.
/// </summary>
public abstract class DaprClient : IDisposable
{
    private const string JsonContentType = "application/json";

    private bool disposed;

    /// <summary>How values and events become JSON.</summary>
    public abstract JsonSerializerOptions JsonSerializerOptions { get; }

    /// <summary>Calls made through it go to the sidecar, which takes them to the application <paramref name="appId"/>.</summary>
    /// <param name="daprEndpoint">Null: as the environment says.</param>
    /// <param name="daprApiToken">Null: as the environment says.</param>
    public static CallInvoker CreateInvocationInvoker(string appId, string? daprEndpoint = null, string? daprApiToken = null)
    {
        var token = daprApiToken ?? DaprEnvironment.ApiToken;
        return GrpcChannel.ForAddress(daprEndpoint ?? DaprEnvironment.GrpcEndpoint).Intercept(headers =>
        {
            var complete = new Metadata();
            foreach (var header in headers)
            {
                complete.Add(header);
            }

            complete.Add("dapr-app-id", appId);
            if (token is not null)
            {
                complete.Add("dapr-api-token", token);
            }

            return complete;
        });
    }

    /// <summary>Publishes <paramref name="data"/> as JSON.</summary>
    public abstract Task PublishEventAsync<TData>(
        string pubsubName, string topicName, TData data, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="PublishEventAsync{TData}(string, string, TData, CancellationToken)"/>
    public abstract Task PublishEventAsync<TData>(
        string pubsubName,
        string topicName,
        TData data,
        Dictionary<string, string> metadata,
        CancellationToken cancellationToken = default);

    /// <summary>Publishes an event without data.</summary>
    public abstract Task PublishEventAsync(string pubsubName, string topicName, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="PublishEventAsync(string, string, CancellationToken)"/>
    public abstract Task PublishEventAsync(
        string pubsubName, string topicName, Dictionary<string, string> metadata, CancellationToken cancellationToken = default);

    /// <summary>Publishes many events as JSON in one call, of which some may fail.</summary>
    public abstract Task<BulkPublishResponse<TValue>> BulkPublishEventAsync<TValue>(
        string pubsubName,
        string topicName,
        IReadOnlyList<TValue> events,
        Dictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <summary>Publishes the bytes as they are.</summary>
    public abstract Task PublishByteEventAsync(
        string pubsubName,
        string topicName,
        ReadOnlyMemory<byte> data,
        string dataContentType = JsonContentType,
        Dictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>True when the sidecar answers that it is ready; false when not, or when it does not answer.</returns>
    public abstract Task<bool> CheckHealthAsync(CancellationToken cancellationToken = default);

    /// <returns>True when the sidecar's components can be used, whether or not the application itself answers yet.</returns>
    public abstract Task<bool> CheckOutboundHealthAsync(CancellationToken cancellationToken = default);

    /// <summary>Asks for outbound health twice a second, until it is there or <paramref name="cancellationToken"/> is cancelled.</summary>
    public abstract Task WaitForSidecarAsync(CancellationToken cancellationToken = default);

    public abstract Task<DaprMetadata> GetMetadataAsync(CancellationToken cancellationToken = default);

    /// <returns>The value; the type's default when there is none.</returns>
    public abstract Task<TValue> GetStateAsync<TValue>(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>The value and its ETag; the type's default and an empty ETag when there is none.</returns>
    public abstract Task<(TValue value, string etag)> GetStateAndETagAsync<TValue>(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <param name="parallelism">How many keys the sidecar reads at a time; null or less than 1: all of them.</param>
    public abstract Task<IReadOnlyList<BulkStateItem>> GetBulkStateAsync(
        string storeName,
        IReadOnlyList<string> keys,
        int? parallelism,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <inheritdoc cref="GetBulkStateAsync(string, IReadOnlyList{string}, int?, IReadOnlyDictionary{string, string}, CancellationToken)"/>
    public abstract Task<IReadOnlyList<BulkStateItem<TValue>>> GetBulkStateAsync<TValue>(
        string storeName,
        IReadOnlyList<string> keys,
        int? parallelism,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>The stored bytes; none when there is no such state.</returns>
    public abstract Task<ReadOnlyMemory<byte>> GetByteStateAsync(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>The stored bytes and their ETag; no bytes and an empty ETag when there is no such state.</returns>
    public abstract Task<(ReadOnlyMemory<byte>, string etag)> GetByteStateAndETagAsync(
        string storeName,
        string key,
        ConsistencyMode? consistencyMode = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    public abstract Task SaveStateAsync<TValue>(
        string storeName,
        string key,
        TValue value,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>False when the state no longer has this ETag.</returns>
    public abstract Task<bool> TrySaveStateAsync<TValue>(
        string storeName,
        string key,
        TValue value,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    public abstract Task SaveByteStateAsync(
        string storeName,
        string key,
        ReadOnlyMemory<byte> binaryValue,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>False when the state no longer has this ETag.</returns>
    public abstract Task<bool> TrySaveByteStateAsync(
        string storeName,
        string key,
        ReadOnlyMemory<byte> binaryValue,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    public abstract Task DeleteStateAsync(
        string storeName,
        string key,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    /// <returns>False when the state no longer has this ETag.</returns>
    public abstract Task<bool> TryDeleteStateAsync(
        string storeName,
        string key,
        string etag,
        StateOptions? stateOptions = default,
        IReadOnlyDictionary<string, string>? metadata = default,
        CancellationToken cancellationToken = default);

    public void Dispose()
    {
        if (!disposed)
        {
            Dispose(disposing: true);
            disposed = true;
        }
    }

    protected virtual void Dispose(bool disposing)
    {
    }
}
