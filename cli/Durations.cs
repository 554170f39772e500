using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Shop;

/// <summary>Options that are durations. A wrong one is named, with what is allowed and an example.</summary>
internal static partial class Durations
{
    /// <summary>An option of at least a millisecond; null when it is not given.</summary>
    /// <param name="defaultValue">For the description.</param>
    /// <param name="max">Whole minutes.</param>
    public static Option<TimeSpan?> Option(string name, TimeSpan defaultValue, TimeSpan max, string description) => new(name)
    {
        Description = $"{description} Seconds, or with a unit (ms, s, m, h), up to {max.TotalMinutes:0} m; by default {Format(defaultValue)}.",
        HelpName = "duration",
        CustomParser = result =>
        {
            if (result.Tokens is not [var token]) return null;
            if (Parse(token.Value) is { } duration && duration >= TimeSpan.FromMilliseconds(1) && duration <= max) return duration;
            result.AddError($"{name} must be 1ms to {max.TotalMinutes:0}m, seconds such as 30 or a duration such as 500ms, 30s or 2m, "
                + $"not {Numbers.Quote(token.Value)}.");
            return null;
        },
    };

    /// <summary>Such as "15 s" or "0.5 s".</summary>
    public static string Format(TimeSpan duration) => string.Create(CultureInfo.InvariantCulture, $"{duration.TotalSeconds:0.###} s");

    /// <returns>Null: it is no duration, or longer than any that is allowed.</returns>
    private static TimeSpan? Parse(string text)
    {
        var match = Pattern().Match(text);
        if (!match.Success || !double.TryParse(match.Groups["number"].Value, CultureInfo.InvariantCulture, out var number)) return null;
        var seconds = match.Groups["unit"].Value switch { "ms" => number / 1000, "m" => number * 60, "h" => number * 3600, _ => number };
        return seconds < int.MaxValue ? TimeSpan.FromSeconds(seconds) : null;
    }

    [GeneratedRegex(@"\A(?<number>[0-9]+(\.[0-9]+)?)(?<unit>ms|s|m|h)?\z")]
    private static partial Regex Pattern();
}
