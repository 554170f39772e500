using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Saga.Tests.Fuzz;

/// <summary>Breaks valid JSON: byte by byte, or along its structure. The same random numbers give the same mutations.</summary>
public sealed class Mutator(Random random)
{
    private static readonly string[] Tokens =
    [
        "null", "true", "0", "-1", "-0", "1e999", "-1e999", "99999999999999999999999", "9223372036854775807", "-9223372036854775808", "0.5", "\"\"", "{}",
        "[]", "[null]", "{\"a\":{}}", "\"\\ud800\"", "\"\\u0000\"", "\"NaN\"", "\"9223372036854775807\"", "\"-1\"", "\"Infinity\"", ",", ":", "\"", "\\", "}",
        "]", "\ufeff", "//", "\u2028",
    ];

    private static readonly byte[][] NotUtf8 = [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xE2, 0x82], [0x80], [0x00]];

    private static readonly string[] Texts =
    [
        "", " ", "a||b", "\0", "\r\n", "é", "e\u0301", "😀", "\u202e", "../..", "'; --", "%s%n", "${jndi:x}", "null", "true", "-1", "1e9",
        "00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    ];

    private static readonly long[] Numbers =
    [
        0, 1, -1, 2, 1_000, 1_001, int.MaxValue, int.MinValue, 1_000_000_001, uint.MaxValue, 1L << 53, (1L << 53) + 1, long.MaxValue, long.MaxValue - 1, long.MinValue,
    ];

    public T Pick<T>(IReadOnlyList<T> values) => values[random.Next(values.Count)];

    public bool Happens(double probability) => random.NextDouble() < probability;

    /// <summary>One to four mutations of the bytes.</summary>
    public byte[] Bytes(byte[] valid)
    {
        var bytes = valid.ToList();
        for (var left = random.Next(1, 5); left > 0; left--) MutateBytes(bytes);
        return [.. bytes];
    }

    private void MutateBytes(List<byte> bytes)
    {
        var at = random.Next(bytes.Count + 1);
        switch (random.Next(10))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 3:
                bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                break;
            case 4:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(Pick(Tokens)));
                break;
            case 5:
                bytes.InsertRange(at, Pick(NotUtf8));
                break;
            case 6:
                bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 65), bytes.Count - at)));
                break;
            case 7 when Happens(0.02):
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(Nested(random.Next(2) == 0 ? 70 : 20_000)));
                break;
            case 8:
                ReplaceNumber(bytes, at);
                break;
            default:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(random.Next(100).ToString(CultureInfo.InvariantCulture)));
                break;
        }
    }

    private void ReplaceNumber(List<byte> bytes, int from)
    {
        var start = bytes.FindIndex(from, digit => char.IsAsciiDigit((char)digit));
        if (start < 0) return;
        var end = start;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end])) end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.UTF8.GetBytes(Happens(0.1) ? new string('9', 400) : Pick(Numbers).ToString(CultureInfo.InvariantCulture)));
    }

    private string Nested(int depth) => random.Next(2) == 0
        ? new string('[', depth) + new string(']', depth)
        : string.Concat(Enumerable.Repeat("{\"x\":", depth)) + "1" + new string('}', depth);

    /// <summary>One or two mutations of members, elements and values; the result is JSON, possibly with a member twice.</summary>
    public byte[] Structure(byte[] valid)
    {
        var root = JsonNode.Parse(valid)!;
        for (var left = random.Next(1, 3); left > 0; left--) root = MutateStructure(root);
        var text = root.ToJsonString();
        if (Happens(0.1) && root is JsonObject { Count: > 0 } twice)
        {
            var (name, value) = twice.ElementAt(random.Next(twice.Count));
            text = $"{text[..^1]},\"{name}\":{(Happens(0.5) ? Pick(Tokens[..20]) : value?.ToJsonString() ?? "null")}}}";
        }
        return Encoding.UTF8.GetBytes(text);
    }

    private JsonNode MutateStructure(JsonNode root)
    {
        List<JsonNode> containers = [];
        Collect(root, containers);
        if (containers.Count == 0) return root;
        switch (Pick(containers))
        {
            case JsonObject { Count: > 0 } members:
                var (name, member) = members.ElementAt(random.Next(members.Count));
                switch (random.Next(8))
                {
                    case 0:
                        members.Remove(name);
                        break;
                    case 1:
                        members[name] = null;
                        break;
                    case 2:
                        members[$"{name}{random.Next(3)}"] = member?.DeepClone();
                        break;
                    case 3:
                        members[Pick(Texts)] = Other(member);
                        break;
                    default:
                        members[name] = Other(member);
                        break;
                }
                break;
            case JsonArray { Count: > 0 } elements:
                var at = random.Next(elements.Count);
                switch (random.Next(5))
                {
                    case 0:
                        elements.RemoveAt(at);
                        break;
                    case 1:
                        elements.Add(elements[at]?.DeepClone());
                        break;
                    case 2:
                        elements[at] = null;
                        break;
                    case 3 when elements.Count < 500 && Happens(0.02):
                        for (var left = random.Next(100, 2_000); left > 0; left--) elements.Add(elements[at]?.DeepClone());
                        break;
                    default:
                        elements[at] = Other(elements[at]);
                        break;
                }
                break;
            case JsonObject empty:
                empty[Pick(Texts)] = Other(null);
                break;
            case JsonArray empty:
                empty.Add(Other(null));
                break;
        }
        return root;
    }

    private JsonNode? Other(JsonNode? before) => random.Next(9) switch
    {
        0 => null,
        1 => JsonValue.Create(Happens(0.5)),
        2 or 3 => JsonValue.Create(Pick(Numbers)),
        4 => JsonValue.Create(Pick(Numbers).ToString(CultureInfo.InvariantCulture)),
        5 => JsonValue.Create(Happens(0.01) ? new string('x', 100_000) : Pick(Texts)),
        6 => new JsonArray(before?.DeepClone()),
        7 => new JsonObject { ["value"] = before?.DeepClone() },
        _ => JsonValue.Create(random.NextDouble() * 1e20),
    };

    private static void Collect(JsonNode? node, List<JsonNode> containers)
    {
        switch (node)
        {
            case JsonObject members:
                containers.Add(members);
                foreach (var (_, member) in members) Collect(member, containers);
                break;
            case JsonArray elements:
                containers.Add(elements);
                foreach (var element in elements) Collect(element, containers);
                break;
        }
    }
}
