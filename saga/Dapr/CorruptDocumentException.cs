namespace Saga.Dapr;

/// <summary>A stored document breaks its own invariants. It is refused whole.</summary>
public sealed class CorruptDocumentException(string message) : Exception(message);
