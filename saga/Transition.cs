namespace Saga;

/// <summary>What was decided: the state from now on, and what is said because of it.</summary>
/// <param name="State">The same instance as before: nothing changed. Null: there is still nothing.</param>
public sealed record Decision<T>(T? State, params IReadOnlyList<Event> Says) where T : class;

/// <summary>One transition of one document: load, decide, save, publish. Acknowledging is the caller's return.</summary>
/// <remarks>
/// A crash after the save loses nothing: the same message is delivered again, finds its effect, and what is said is decided from what is
/// remembered. So a decision must say the same again when asked again.
/// </remarks>
public sealed class Transition(ISidecar sidecar, Patience patience)
{
    /// <summary>Decides and saves, then says what was decided.</summary>
    /// <param name="decide">Pure. Called again with a newer state when somebody else wrote first.</param>
    /// <param name="keepFor">How long a state lives; null: for ever.</param>
    /// <returns>The state as it is now.</returns>
    public async Task<T?> RunAsync<T>(string key, Func<T?, Decision<T>> decide, Func<T, TimeSpan?> keepFor, CancellationToken stop) where T : class
    {
        var decision = await SaveAsync(key, decide, keepFor, stop);
        await SayAsync(decision, stop);
        return decision.State;
    }

    /// <summary>Decides and saves. What was decided is still to be said.</summary>
    public async Task<Decision<T>> SaveAsync<T>(string key, Func<T?, Decision<T>> decide, Func<T, TimeSpan?> keepFor, CancellationToken stop) where T : class
    {
        for (var lost = 0; ; await patience.AfterAsync(++lost, stop))
        {
            var read = await sidecar.ReadAsync<T>(key, stop);
            var decision = decide(read.Value);
            if (decision.State is not { } state || ReferenceEquals(state, read.Value)) return decision;
            if (await sidecar.TryWriteAsync(read, state, keepFor(state), stop)) return decision;
        }
    }

    /// <summary>Says what was decided and is saved.</summary>
    public async Task SayAsync<T>(Decision<T> decision, CancellationToken stop) where T : class
    {
        foreach (var said in decision.Says) await sidecar.PublishAsync(said, stop);
    }
}
