using System.Globalization;
using System.Text.RegularExpressions;

namespace Daprd.Files;

/// <summary>Durations in Go's format: <c>1h2m3.5s</c>, <c>250ms</c>; a plain integer is in milliseconds.</summary>
internal static partial class GoDuration
{
    /// <summary>The longest timer of .NET; a longer duration is no duration.</summary>
    private const double SecondsMax = int.MaxValue / 1000;

    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        double seconds;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var milliseconds)) seconds = milliseconds / 1000.0;
        else
        {
            if (!Whole().IsMatch(text)) return false;
            seconds = Part().Matches(text).Sum(part => double.Parse(part.Groups[1].ValueSpan, CultureInfo.InvariantCulture) * ToSeconds(part.Groups[2].Value));
            if (text[0] == '-') seconds = -seconds;
        }

        if (!(Math.Abs(seconds) <= SecondsMax)) return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    /// <summary>Formats a duration of whole seconds, or of less than one, as Go does.</summary>
    public static string Format(TimeSpan duration) => duration < TimeSpan.FromSeconds(1)
        ? string.Create(CultureInfo.InvariantCulture, $"{duration.TotalMilliseconds}ms")
        : string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds}s");

    private static double ToSeconds(string unit) => unit switch { "h" => 3600, "m" => 60, "s" => 1, "ms" => 1e-3, "ns" => 1e-9, _ => 1e-6 };

    [GeneratedRegex(@"^-?([0-9]+(\.[0-9]*)?(h|m|s|ms|us|µs|ns))+\z")]
    private static partial Regex Whole();

    [GeneratedRegex(@"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|µs|ns)")]
    private static partial Regex Part();
}
