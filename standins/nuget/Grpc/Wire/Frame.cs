using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.IO.Compression;
using Grpc.Core;

namespace Grpc.Wire;

/// <summary>A message on the wire: one byte that says whether it is compressed, four that give its length, then the message.</summary>
internal static class Frame
{
    public const int HeaderLength = 5;
    public const string ContentType = "application/grpc";
    public const string Encodings = "identity,gzip";
    public const string EncodingHeader = "grpc-encoding";
    public const string AcceptEncodingHeader = "grpc-accept-encoding";
    public const int DefaultMaxLength = 4 * 1024 * 1024;

    public static bool IsContentType([NotNullWhen(true)] string? type) =>
        type == ContentType
        || (type is not null
            && type.StartsWith(ContentType, StringComparison.OrdinalIgnoreCase)
            && (type.Length == ContentType.Length || type[ContentType.Length] is ';' or '+'));

    public static void WriteHeader(Span<byte> header, int length)
    {
        header[0] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(header[1..], (uint)length);
    }

    /// <param name="maxLength">Bytes; null: no limit.</param>
    /// <exception cref="RpcException">INTERNAL: no frame starts like this. RESOURCE_EXHAUSTED: the message is too long.</exception>
    public static (bool Compressed, int Length) ReadHeader(ReadOnlySpan<byte> header, int? maxLength)
    {
        if (header[0] > 1)
        {
            throw Failure(StatusCode.Internal, $"A message starts with the compressed flag {header[0]}; it is 0 or 1.");
        }

        var length = BinaryPrimitives.ReadUInt32BigEndian(header[1..]);
        if (length > (maxLength ?? int.MaxValue))
        {
            throw TooLong("received", length, maxLength ?? int.MaxValue);
        }

        return (header[0] == 1, (int)length);
    }

    /// <param name="encoding">What the sender said in <c>grpc-encoding</c>.</param>
    /// <param name="maxLength">Bytes after decompression; null: no limit.</param>
    public static ReadOnlySequence<byte> Decompress(ReadOnlySequence<byte> compressed, string? encoding, int? maxLength)
    {
        switch (encoding)
        {
            case null or "":
                throw Failure(StatusCode.Internal, $"A message is flagged as compressed, but there is no {EncodingHeader} header.");
            case "identity":
                throw Failure(StatusCode.Internal, $"A message is flagged as compressed, but {EncodingHeader} is identity.");
            case "gzip":
                return Gunzip(compressed, maxLength);
            default:
                throw new RpcException(
                    new Status(StatusCode.Unimplemented, $"Messages in {encoding} are not understood; in these they are: {Encodings}."),
                    new Metadata { { AcceptEncodingHeader, Encodings } });
        }
    }

    public static RpcException TooLong(string what, long length, int maxLength) =>
        Failure(StatusCode.ResourceExhausted, $"The message {what} has {length} bytes; the limit is {maxLength}.");

    public static RpcException Failure(StatusCode code, string detail) => new(new Status(code, detail));

    private static bool EndsWithLength(ReadOnlySequence<byte> gzip, int length)
    {
        Span<byte> trailer = stackalloc byte[sizeof(uint)];
        if (gzip.Length < trailer.Length)
        {
            return false;
        }

        gzip.Slice(gzip.Length - trailer.Length).CopyTo(trailer);
        return BinaryPrimitives.ReadUInt32LittleEndian(trailer) == (uint)length;
    }

    private static ReadOnlySequence<byte> Gunzip(ReadOnlySequence<byte> compressed, int? maxLength)
    {
        var message = new ArrayBufferWriter<byte>();
        try
        {
            using var gzip = new GZipStream(new MemoryStream(compressed.ToArray()), CompressionMode.Decompress);
            for (int read; (read = gzip.Read(message.GetSpan(4096))) > 0;)
            {
                message.Advance(read);
                if (message.WrittenCount > maxLength)
                {
                    throw Failure(StatusCode.ResourceExhausted, $"The decompressed message has more than {maxLength} bytes, the limit.");
                }
            }
        }
        catch (InvalidDataException e)
        {
            throw new RpcException(new Status(StatusCode.Internal, "A compressed message is not gzip.", e));
        }

        // GZipStream takes a cut-off stream for one that ended; the trailer tells.
        return EndsWithLength(compressed, message.WrittenCount)
            ? new(message.WrittenMemory)
            : throw Failure(StatusCode.Internal, "A compressed message is not gzip, or not all of it.");
    }
}
