using System.Globalization;

namespace Grpc.Net.Client;

/// <summary>The header fields of an answer, or its trailers.</summary>
internal sealed class Fields((string Name, string Value)[] all)
{
    public static Fields None { get; } = new([]);

    public IReadOnlyList<(string Name, string Value)> All => all;

    /// <summary>The HTTP status; 0: none is told.</summary>
    public int Status { get; } =
        all is [(":status", var status), ..] && int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out var code) ? code : 0;

    /// <summary>The first value of that name; null when there is none.</summary>
    public string? this[string name]
    {
        get
        {
            foreach (var field in all)
            {
                if (field.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return field.Value;
                }
            }

            return null;
        }
    }

    public bool Same(ReadOnlySpan<(string Name, string Value)> others) => others.SequenceEqual(all);
}
