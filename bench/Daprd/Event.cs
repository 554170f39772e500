using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Bench;

/// <summary>The data of events and state: about 200 bytes of JSON that start with a number.</summary>
internal static class Event
{
    private static readonly string Rest = $",\"text\":\"{new string('x', 180)}\"}}";

    public static byte[] Data(int number) => Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"number\":{number}{Rest}"));

    public static int Number(ReadOnlySpan<byte> data)
    {
        var reader = new Utf8JsonReader(data);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.Number) return reader.GetInt32();
        }

        throw new FormatException("An event has no number.");
    }
}
