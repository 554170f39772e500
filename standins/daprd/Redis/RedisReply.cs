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

/// <summary>One reply of the RESP2 protocol.</summary>
internal readonly record struct RedisReply(RedisReplyKind Kind, byte[] Bytes, long Integer, RedisReply[] Items)
{
    public static readonly RedisReply Null = new(RedisReplyKind.Null, [], 0, []);

    public static RedisReply OfText(byte[] bytes) => new(RedisReplyKind.Text, bytes, 0, []);

    public static RedisReply OfError(byte[] bytes) => new(RedisReplyKind.Error, bytes, 0, []);

    public static RedisReply OfInteger(long value) => new(RedisReplyKind.Integer, [], value, []);

    public static RedisReply OfArray(RedisReply[] items) => new(RedisReplyKind.Array, [], 0, items);

    public bool IsNull => Kind == RedisReplyKind.Null;

    public override string ToString() => Kind == RedisReplyKind.Integer ? Integer.ToString() : Encoding.UTF8.GetString(Bytes);

    /// <summary>Returns this reply; throws <see cref="RedisException"/> if it is an error.</summary>
    public RedisReply OrThrow() => Kind == RedisReplyKind.Error ? throw new RedisException(ToString()) : this;
}

/// <summary>Redis returned an error reply. The message is its text.</summary>
internal sealed class RedisException(string message) : Exception(message);

/// <summary>Redis did not reply: it is unreachable, or the connection broke before the reply.</summary>
internal sealed class RedisUnreachableException(string message, Exception? inner = null) : Exception(message, inner);
