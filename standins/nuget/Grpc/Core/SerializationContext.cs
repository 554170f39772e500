using System.Buffers;

namespace Grpc.Core;

/// <summary>Where a marshaller puts one message: a whole array at once, or bytes written to a buffer and then completed.</summary>
public abstract class SerializationContext
{
    public virtual void Complete(byte[] payload) => throw new NotImplementedException();

    public virtual IBufferWriter<byte> GetBufferWriter() => throw new NotImplementedException();

    /// <summary>Optional; when called, it is called before <see cref="GetBufferWriter"/>.</summary>
    /// <param name="payloadLength">Bytes that will be written.</param>
    public virtual void SetPayloadLength(int payloadLength)
    {
    }

    public virtual void Complete() => throw new NotImplementedException();
}
