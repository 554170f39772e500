using System.Buffers;
using System.Globalization;

namespace Daprd.Files;

/// <summary>Durations in Go's format: <c>1h2m3.5s</c>, <c>250ms</c>; a plain integer is in milliseconds.</summary>
internal static class GoDuration
{
    private static readonly (string Unit, double Seconds)[] Units =
        [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

    /// <summary>Go's durations are nanoseconds in 64 bits.</summary>
    private const double SecondsMax = long.MaxValue / 1e9;

    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds))
        {
            if (milliseconds is > (long)(SecondsMax * 1000) or < -(long)(SecondsMax * 1000)) return false;
            duration = TimeSpan.FromMilliseconds(milliseconds);
            return true;
        }

        var rest = text.AsSpan().TrimStart('-');
        if (rest.IsEmpty) return false;
        var seconds = 0.0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(NumberCharacters);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var amount)) return false;
            rest = rest[digits..];
            var letters = rest.IndexOfAny(NumberCharacters);
            var unit = letters < 0 ? rest : rest[..letters];
            if (!TryUnit(unit, out var size)) return false;
            seconds += amount * size;
            rest = rest[unit.Length..];
        }

        if (!(seconds <= SecondsMax)) return false;
        duration = TimeSpan.FromSeconds(text[0] == '-' ? -seconds : seconds);
        return true;
    }

    /// <summary>Formats a non-negative duration in whole milliseconds as Go does.</summary>
    public static string Format(TimeSpan duration)
    {
        if (duration > TimeSpan.Zero && duration < TimeSpan.FromSeconds(1))
        {
            return string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMilliseconds}ms");
        }
        var seconds = string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds % 60:0.###}s");
        return duration.TotalMinutes < 1 ? seconds
            : duration.TotalHours < 1 ? $"{duration.Minutes}m{seconds}"
            : $"{(int)duration.TotalHours}h{duration.Minutes}m{seconds}";
    }

    private static bool TryUnit(ReadOnlySpan<char> text, out double seconds)
    {
        foreach (var (unit, size) in Units)
        {
            if (!text.SequenceEqual(unit)) continue;
            seconds = size;
            return true;
        }

        seconds = 0;
        return false;
    }
}
