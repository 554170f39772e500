namespace Saga;

/// <summary>What was decided: the state from now on, and what is said because of it.</summary>
/// <param name="State">The same instance as before: nothing changed. Null: there is still nothing.</param>
public sealed record Decision<T>(T? State, params IReadOnlyList<OutgoingEvent> Events) where T : class;

/// <summary>One transition of one document: load, decide, save, publish. Acknowledging is the caller's return.</summary>
/// <remarks>
/// A crash after the save loses nothing: the same message is delivered again, finds its effect, and what is said is decided from what is
/// remembered. So a decision must say the same again when asked again.
/// </remarks>
public sealed class Transition(DocumentStore documents, ISidecar sidecar)
{
    /// <summary>Decides and saves. What was decided is still to be said.</summary>
    /// <param name="decide">Pure. Called again with a newer state when somebody else wrote first.</param>
    /// <param name="timeToLive">How long a state lives; null: for ever.</param>
    /// <param name="expectMissing">There is hardly a state yet: creating it is tried without a look.</param>
    /// <returns>What was decided, and the state it was decided from.</returns>
    public Task<(T? Before, Decision<T> Decision)> SaveAsync<T>(
        string key, Func<T?, Decision<T>> decide, Func<T, TimeSpan?> timeToLive, CancellationToken ct, bool expectMissing = false) where T : class =>
        documents.UpdateAsync<T, (T?, Decision<T>)>(key, before =>
        {
            var decision = decide(before);
            return decision.State is { } state && !ReferenceEquals(state, before)
                ? new(state, (before, decision), timeToLive(state))
                : new(null, (before, decision));
        }, ct, expectMissing);

    /// <summary>Says what was decided and is saved.</summary>
    public async Task PublishAsync<T>(Decision<T> decision, CancellationToken ct) where T : class
    {
        foreach (var said in decision.Events) await sidecar.PublishAsync(said, ct);
    }
}
