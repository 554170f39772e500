namespace Daprd.State;

/// <param name="Etag">Null: the stored value has none.</param>
internal sealed record StateValue(ReadOnlyMemory<byte> Data, string? Etag, string? ExpiresAt = null);

/// <param name="Key">Includes the prefix.</param>
/// <param name="Etag">Null for an unconditional write; never empty.</param>
/// <param name="TtlSeconds">Zero or less removes the expiry; null leaves it unchanged.</param>
internal sealed record StateWrite(
    string Key, ReadOnlyMemory<byte> Data, string? Etag, bool FirstWrite, bool LastWrite, bool Strong, int? TtlSeconds);

internal sealed record StateRemoval(string Key, string? Etag);

/// <summary>A state store. ETag conflicts throw <see cref="EtagException"/>, other failures the store's own exceptions.</summary>
internal interface IStateStore : IAsyncDisposable
{
    /// <summary>The capabilities that GetMetadata reports.</summary>
    IReadOnlyList<string> Capabilities { get; }

    /// <summary>Null if the key does not exist.</summary>
    Task<StateValue?> GetAsync(string key);

    /// <summary>Reads the keys concurrently and independently. Returns one result per key, in order: a value (null: no such key) or the failure.</summary>
    Task<IReadOnlyList<(StateValue? Value, Exception? Failure)>> GetManyAsync(IReadOnlyList<string> keys);

    /// <summary>Writes concurrently and independently. Returns one result per write, in order: null or the failure.</summary>
    Task<IReadOnlyList<Exception?>> SetManyAsync(IReadOnlyList<StateWrite> writes);

    Task DeleteAsync(StateRemoval removal);
}

/// <summary>The write was rejected because of its ETag.</summary>
/// <param name="invalid">True: the ETag is malformed; false: it is not the current one.</param>
internal sealed class EtagException(bool invalid, string cause) : Exception(
    invalid ? $"invalid etag value: {cause}" : $"possible etag mismatch. error from state store: {cause}")
{
    public bool Invalid => invalid;
}
