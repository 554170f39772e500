using System.Collections.Frozen;
using System.Text;
using Grpc.Wire;

namespace Grpc.Net.Client.Http2;

/// <summary>
/// Writes the header fields of requests (HPACK, RFC 7541). What all calls have in common, and their paths, the server is told to remember;
/// metadata is always said in full.
/// </summary>
internal sealed class FieldWriter
{
    /// <summary>More than the server can remember.</summary>
    private const int MostPlaces = FieldTable.DefaultLimit / FieldTable.Overhead;

    private const int Remember = 0x40;
    private const int Forget = 0x00;

    private static readonly (string Name, string Value)[] Common =
    [
        ("content-type", Frame.ContentType), ("te", "trailers"), ("user-agent", GrpcChannel.UserAgent),
        (Frame.AcceptEncodingHeader, Frame.Encodings),
    ];

    private static readonly FrozenDictionary<string, int> Known = FieldTable.Known
        .Select((field, place) => (field.Name, Number: place + 1)).DistinctBy(field => field.Name)
        .ToFrozenDictionary(field => field.Name, field => field.Number);

    /// <summary>The bytes of each field that the server remembers, the oldest first.</summary>
    private readonly Queue<int> remembered = new();

    /// <summary>When an authority or a path was said so that the server remembers it: the count of such fields.</summary>
    private readonly Dictionary<string, int> places = [];

    private Output output = null!;
    private int limit = FieldTable.DefaultLimit;
    private int size;
    private int said;
    private int saidCommon;
    private bool limitChanged;

    /// <summary>What the server is willing to remember.</summary>
    public void Limit(long bytes)
    {
        if (bytes < limit)
        {
            limit = (int)bytes;
            limitChanged = true;
            Shrink();
        }
    }

    public void Write(Output to, RequestHead head)
    {
        output = to;
        if (limitChanged)
        {
            Number(0x20, 5, limit);
            limitChanged = false;
        }

        Number(0x80, 7, 3); // :method: POST
        Number(0x80, 7, 6); // :scheme: http
        Place(":authority", head.Authority);
        Place(":path", head.Path);
        WriteCommon();
        if (head.Timeout is { } timeout)
        {
            Say(GrpcTimeout.Header, GrpcTimeout.Format(timeout), Forget);
        }

        for (var i = 0; i < head.Metadata?.Count; i++)
        {
            Say(head.Metadata[i].Key, MetadataHeaders.Encode(head.Metadata[i]), Forget);
        }

        for (var i = 0; i < head.Trace?.Count; i++)
        {
            Say(head.Trace[i].Name, head.Trace[i].Value, Forget);
        }
    }

    private void Place(string name, string value)
    {
        if (!TryRecall(places.GetValueOrDefault(value)))
        {
            if (places.Count == MostPlaces)
            {
                places.Clear();
            }

            places[value] = Say(name, value, Remember);
        }
    }

    private void WriteCommon()
    {
        if (IsRemembered(saidCommon))
        {
            for (var i = 0; i < Common.Length; i++)
            {
                TryRecall(saidCommon + i);
            }

            return;
        }

        saidCommon = said + 1;
        foreach (var (name, value) in Common)
        {
            Say(name, value, Remember);
        }
    }

    /// <param name="when">0: never.</param>
    private bool IsRemembered(int when) => when > said - remembered.Count;

    private bool TryRecall(int when)
    {
        if (!IsRemembered(when))
        {
            return false;
        }

        Number(0x80, 7, FieldTable.Known.Length + 1 + said - when);
        return true;
    }

    /// <returns>When it was said.</returns>
    private int Say(string name, string value, int how)
    {
        var known = Known.GetValueOrDefault(name);
        Number(how, how == Remember ? 6 : 4, known);
        if (known == 0)
        {
            Text(name);
        }

        Text(value);
        if (how == Remember)
        {
            said++;
            var needed = name.Length + value.Length + FieldTable.Overhead;
            remembered.Enqueue(needed);
            size += needed;
            Shrink();
        }

        return said;
    }

    private void Shrink()
    {
        while (size > limit)
        {
            size -= remembered.Dequeue();
        }
    }

    private void Text(string text)
    {
        Number(0, 7, text.Length);
        var bytes = output.Reserve(text.Length);
        Ascii.FromUtf16(text, bytes, out _);
        output.Advance(text.Length);
    }

    private void Number(int pattern, int prefix, int number)
    {
        var bytes = output.Reserve(6);
        var mask = (1 << prefix) - 1;
        if (number < mask)
        {
            bytes[0] = (byte)(pattern | number);
            output.Advance(1);
            return;
        }

        bytes[0] = (byte)(pattern | mask);
        var length = 1;
        for (number -= mask; number >= 0x80; number >>= 7)
        {
            bytes[length++] = (byte)(number | 0x80);
        }

        bytes[length++] = (byte)number;
        output.Advance(length);
    }
}
