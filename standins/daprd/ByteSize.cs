using System.Globalization;
using Daprd.Files;

namespace Daprd;

/// <summary>Sizes in Kubernetes notation: <c>4Mi</c>, <c>64Ki</c>, <c>1M</c>, or plain bytes.</summary>
internal static class ByteSize
{
    private static readonly (string Suffix, long Factor)[] Suffixes =
        [("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000), ("", 1)];

    /// <summary>Throws <see cref="ConfigurationException"/> for an invalid size or one over 2 GiB.</summary>
    public static int Parse(string text)
    {
        var (suffix, factor) = Suffixes.First(s => text.EndsWith(s.Suffix, StringComparison.Ordinal));
        return double.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * factor <= int.MaxValue
            ? (int)(number * factor)
            : throw new ConfigurationException($"'{text}' is not a size such as 4Mi.");
    }
}
