namespace Saga.Messaging;

/// <summary>An event that this service can never handle: it contradicts what is stored, or its order does not exist.</summary>
public sealed class UnprocessableEventException(string message) : Exception(message);
