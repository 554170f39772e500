using System.Buffers;
using Grpc.Core;

namespace Grpc.Wire;

/// <summary>One received message, as its marshaller reads it. Used again for the next message of the call.</summary>
internal sealed class Payload : DeserializationContext
{
    private ReadOnlySequence<byte> bytes;

    public override int PayloadLength => (int)bytes.Length;

    public override byte[] PayloadAsNewBuffer() => bytes.ToArray();

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => bytes;

    public T Read<T>(ReadOnlySequence<byte> message, Func<DeserializationContext, T> deserialize)
    {
        bytes = message;
        try
        {
            return deserialize(this);
        }
        catch (Exception e) when (e is not RpcException)
        {
            throw new RpcException(new Status(StatusCode.Internal, $"The message received cannot be read: {e.Message}", e));
        }
        finally
        {
            bytes = default;
        }
    }
}
