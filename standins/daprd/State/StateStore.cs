namespace Daprd.State;

/// <param name="Etag">Null when the stored value has none.</param>
internal sealed record StateValue(ReadOnlyMemory<byte> Data, string? Etag, string? ExpiresAt = null);

/// <param name="Key">With its prefix, as the store sees it.</param>
/// <param name="Etag">Null for an unconditional write; never empty.</param>
/// <param name="TtlSeconds">Zero or less removes an expiry; null leaves it as it is.</param>
internal sealed record StateWrite(
    string Key, ReadOnlyMemory<byte> Data, string? Etag, bool FirstWrite, bool LastWrite, bool Strong, int? TtlSeconds);

internal sealed record StateRemoval(string Key, string? Etag);

/// <summary>Where state is kept. Failures of the etag are <see cref="EtagException"/>, all others whatever the store throws.</summary>
internal interface IStateStore : IAsyncDisposable
{
    /// <summary>Names that GetMetadata lists.</summary>
    IReadOnlyList<string> Capabilities { get; }

    /// <summary>Null when there is no such key.</summary>
    Task<StateValue?> GetAsync(string key);

    /// <summary>Each by itself, all at the same time. What came of each, in order: a value (null: no such key), or why it could not be read.</summary>
    Task<IReadOnlyList<(StateValue? Value, Exception? Failure)>> GetManyAsync(IReadOnlyList<string> keys);

    /// <summary>Each by itself, all at the same time. Why each was not written, in order; null when it was.</summary>
    Task<IReadOnlyList<Exception?>> SetManyAsync(IReadOnlyList<StateWrite> writes);

    Task DeleteAsync(StateRemoval removal);
}

/// <summary>The write was refused because of its etag.</summary>
/// <param name="invalid">True when the etag cannot be an etag of this store; false when it is not the current one.</param>
internal sealed class EtagException(bool invalid, string cause) : Exception(
    invalid ? $"invalid etag value: {cause}" : $"possible etag mismatch. error from state store: {cause}")
{
    public bool Invalid => invalid;
}
