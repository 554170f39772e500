using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Daprd.Redis;

/// <summary>An argument of a command: text, bytes or a number, sent as a bulk string.</summary>
internal readonly struct RedisArgument
{
    private readonly string? text;
    private readonly ReadOnlyMemory<byte> bytes;

    private RedisArgument(string? text, ReadOnlyMemory<byte> bytes)
    {
        this.text = text;
        this.bytes = bytes;
    }

    public static implicit operator RedisArgument(string text) => new(text, default);

    public static implicit operator RedisArgument(byte[] bytes) => new(null, bytes);

    public static implicit operator RedisArgument(ReadOnlyMemory<byte> bytes) => new(null, bytes);

    public static implicit operator RedisArgument(long number) => new(number.ToString(CultureInfo.InvariantCulture), default);

    public void WriteTo(ArrayBufferWriter<byte> buffer)
    {
        var length = text is null ? bytes.Length : Encoding.UTF8.GetByteCount(text);
        RedisCommand.WriteHead(buffer, (byte)'$', length);
        var span = buffer.GetSpan(length + 2);
        if (text is null) bytes.Span.CopyTo(span);
        else Encoding.UTF8.GetBytes(text, span);
        "\r\n"u8.CopyTo(span[length..]);
        buffer.Advance(length + 2);
    }
}

internal static class RedisCommand
{
    public static void Write(ArrayBufferWriter<byte> buffer, ReadOnlySpan<RedisArgument> arguments)
    {
        WriteHead(buffer, (byte)'*', arguments.Length);
        foreach (var argument in arguments) argument.WriteTo(buffer);
    }

    public static void WriteHead(ArrayBufferWriter<byte> buffer, byte mark, int number)
    {
        var span = buffer.GetSpan(16);
        span[0] = mark;
        Utf8Formatter.TryFormat(number, span[1..], out var digits);
        "\r\n"u8.CopyTo(span[(1 + digits)..]);
        buffer.Advance(digits + 3);
    }
}
