using System.Buffers;

namespace Grpc.Core;

/// <summary>Where a marshaller finds one message. The bytes may be read once, and not after the marshaller returned.</summary>
public abstract class DeserializationContext
{
    public abstract int PayloadLength { get; }

    public virtual byte[] PayloadAsNewBuffer() => throw new NotImplementedException();

    public virtual ReadOnlySequence<byte> PayloadAsReadOnlySequence() => throw new NotImplementedException();
}
