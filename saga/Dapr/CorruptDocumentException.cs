namespace Saga.Dapr;

/// <summary>A stored document breaks its own invariants. It is refused whole.</summary>
/// <param name="message">Shortened: it repeats what the document has, and must fit into the headers of an answer.</param>
public sealed class CorruptDocumentException(string message) : Exception(Shortened.To(MessageMax, message))
{
    private const int MessageMax = 500;
}
