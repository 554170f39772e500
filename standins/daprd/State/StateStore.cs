namespace Daprd.State;

/// <param name="Etag">Null: the stored value has none.</param>
internal sealed record StateValue(ReadOnlyMemory<byte> Data, string? Etag, string? ExpiresAt = null);

/// <param name="Key">Includes the prefix.</param>
/// <param name="Etag">Empty for an unconditional write.</param>
/// <param name="TtlSeconds">Zero or less removes the expiry; null leaves it unchanged.</param>
internal sealed record StateWrite(string Key, ReadOnlyMemory<byte> Data, string Etag, bool FirstWrite, bool LastWrite, int? TtlSeconds);

/// <summary>A state store. ETag conflicts throw <see cref="EtagException"/>, other failures the store's own exceptions.</summary>
internal interface IStateStore
{
    /// <summary>The capabilities that GetMetadata reports.</summary>
    IReadOnlyList<string> Capabilities { get; }

    /// <summary>Null if the key does not exist.</summary>
    Task<StateValue?> GetAsync(string key);

    Task SetAsync(StateWrite write);

    Task DeleteAsync(string key);
}

/// <summary>The write was rejected because of its ETag.</summary>
/// <param name="invalid">True: the ETag is malformed; false: it is not the current one.</param>
internal sealed class EtagException(bool invalid, string cause) : Exception(
    invalid ? $"invalid etag value: {cause}" : $"possible etag mismatch. error from state store: {cause}")
{
    public bool Invalid => invalid;
}
