namespace Saga.Dapr;

/// <summary>A payload is not the event of its topic. No redelivery changes that.</summary>
internal sealed class UnreadableEventException(string message, Exception? problem = null) : Exception(message, problem);
