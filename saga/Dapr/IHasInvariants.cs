namespace Saga.Dapr;

/// <summary>A document with invariants that its types do not express. They are checked whenever it is read.</summary>
public interface IHasInvariants
{
    /// <param name="key">The key under which it is stored.</param>
    /// <returns>What is wrong, as the rest of a sentence. Null: nothing.</returns>
    string? FindProblem(string key);
}
