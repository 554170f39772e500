using System.Buffers;
using System.IO.Pipelines;
using Grpc.Core;
using Grpc.Wire;

namespace Grpc.AspNetCore.Server;

/// <summary>Writes one message into the response body; directly, when its length is known before its bytes.</summary>
internal sealed class ResponseFrame(PipeWriter body, int? maxLength) : SerializationContext
{
    private ArrayBufferWriter<byte>? unmeasured;
    private bool measured;

    public void Write<T>(T message, Marshaller<T> marshaller)
    {
        measured = false;
        marshaller.ContextualSerializer(message, this);
    }

    public override void SetPayloadLength(int payloadLength)
    {
        if (payloadLength > maxLength)
        {
            throw Frame.TooLong("to send", payloadLength, maxLength.Value);
        }

        measured = true;
        Frame.WriteHeader(body.GetSpan(Frame.HeaderLength), payloadLength);
        body.Advance(Frame.HeaderLength);
    }

    public override IBufferWriter<byte> GetBufferWriter() => measured ? body : unmeasured ??= new();

    public override void Complete()
    {
        if (!measured)
        {
            Complete(unmeasured is null ? [] : unmeasured.WrittenSpan.ToArray());
            unmeasured = null;
        }
    }

    public override void Complete(byte[] payload)
    {
        SetPayloadLength(payload.Length);
        body.Write(payload);
    }
}
