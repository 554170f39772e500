namespace Grpc.Net.Client.Http2;

/// <summary>The fields that HPACK names by a number: those everybody knows, then those this connection has seen, the newest first.</summary>
internal sealed class FieldTable
{
    /// <summary>Bytes, as HPACK counts them. The protocol's default, which this client leaves as it is.</summary>
    public const int DefaultLimit = 4096;

    /// <summary>What an entry is counted with beside its text.</summary>
    public const int Overhead = 32;

    /// <summary>RFC 7541, appendix A.</summary>
    public static readonly (string Name, string Value)[] Known =
    [
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"), (":scheme", "http"),
        (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
        (":status", "404"), (":status", "500"), ("accept-charset", ""), ("accept-encoding", "gzip, deflate"), ("accept-language", ""),
        ("accept-ranges", ""), ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
        ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""),
        ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
        ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
        ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
    ];

    private readonly Queue<int> sizes = new();
    private readonly List<(string Name, string Value)> seen = [];
    private int limit = DefaultLimit;
    private int size;

    public (string Name, string Value) this[int number]
    {
        get
        {
            if (number <= Known.Length && number > 0)
            {
                return Known[number - 1];
            }

            // The newest is at the end.
            var place = seen.Count - (number - Known.Length);
            return place >= seen.Count - sizes.Count && place < seen.Count
                ? seen[place]
                : throw Http2Failure.Of(Http2Failure.CompressionError, $"there is no header field {number}");
        }
    }

    public void Add(string name, string value)
    {
        var needed = name.Length + value.Length + Overhead;
        seen.Add((name, value));
        sizes.Enqueue(needed);
        size += needed;
        Shrink();
    }

    public void Limit(int bytes)
    {
        if (bytes > DefaultLimit)
        {
            throw Http2Failure.Of(Http2Failure.CompressionError, $"a header table of {bytes} bytes is more than was agreed");
        }

        limit = bytes;
        Shrink();
    }

    private void Shrink()
    {
        while (size > limit)
        {
            size -= sizes.Dequeue();
        }

        // What is forgotten goes in one piece, now and then.
        if (seen.Count > 2 * (sizes.Count + Overhead))
        {
            seen.RemoveRange(0, seen.Count - sizes.Count);
        }
    }
}
