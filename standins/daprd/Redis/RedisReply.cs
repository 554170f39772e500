using System.Text;

namespace Daprd.Redis;

internal enum RedisReplyKind
{
    Null,
    Text,
    Integer,
    Array,
    Error,
}

/// <summary>One reply of the Redis protocol, version 2.</summary>
internal readonly record struct RedisReply(RedisReplyKind Kind, byte[] Bytes, long Integer, RedisReply[] Items)
{
    public static readonly RedisReply Null = new(RedisReplyKind.Null, [], 0, []);

    public static RedisReply OfText(byte[] bytes) => new(RedisReplyKind.Text, bytes, 0, []);

    public static RedisReply OfError(byte[] bytes) => new(RedisReplyKind.Error, bytes, 0, []);

    public static RedisReply OfInteger(long value) => new(RedisReplyKind.Integer, [], value, []);

    public static RedisReply OfArray(RedisReply[] items) => new(RedisReplyKind.Array, [], 0, items);

    public bool IsNull => Kind == RedisReplyKind.Null;

    public override string ToString() => Kind == RedisReplyKind.Integer ? Integer.ToString() : Encoding.UTF8.GetString(Bytes);

    /// <summary>This reply, or a <see cref="RedisException"/> when it is an error.</summary>
    public RedisReply OrThrow() => Kind == RedisReplyKind.Error ? throw new RedisException(ToString()) : this;
}

/// <summary>Redis answered, and refused. The message is its own text.</summary>
internal sealed class RedisException(string message) : Exception(message);

/// <summary>Redis did not answer: it is not there, or the connection broke before the reply came.</summary>
internal sealed class RedisUnreachableException(string message, Exception? inner = null) : Exception(message, inner);
