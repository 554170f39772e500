using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Saga.Hosting;

/// <summary>Reads settings and collects a sentence about each wrong one, so that one start names them all.</summary>
internal sealed partial class SettingReader(IConfiguration configuration)
{
    private const int AppIdsMax = 20;

    private readonly List<string> problems = [];

    /// <summary>A duration in the form 500ms, 60s, 2m, 1h or 1m30s, or as hours, minutes and seconds: 00:01:00.</summary>
    /// <remarks>A bare number is refused: .NET would read 60 as 60 days, where seconds are meant.</remarks>
    /// <param name="key">Such as Saga:Deadline.</param>
    public TimeSpan Duration(string key, TimeSpan byDefault, TimeSpan min, TimeSpan max)
    {
        if (GetText(key) is not { } text) return byDefault;
        if (TryParse(text) is { } duration && duration >= min && duration <= max) return duration;
        Add(key, text, $"must be a duration with a unit, {Format(min)} to {Format(max)}", $"{Format(byDefault)} or {byDefault:c}");
        return byDefault;
    }

    /// <summary>A whole number in digits.</summary>
    public int Number(string key, int byDefault, int min, int max)
    {
        if (GetText(key) is not { } text) return byDefault;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max) return number;
        Add(key, text, $"must be a whole number, {min} to {max}", $"{byDefault}");
        return byDefault;
    }

    /// <summary>true or false.</summary>
    public bool Flag(string key, bool byDefault)
    {
        if (GetText(key) is not { } text) return byDefault;
        if (bool.TryParse(text, out var value)) return value;
        Add(key, text, "must be true or false", "true");
        return byDefault;
    }

    /// <summary>App ids separated by commas, each once. Null: it is not set.</summary>
    /// <param name="taken">App ids that are refused.</param>
    /// <param name="example">For the sentence about wrong ones.</param>
    public IReadOnlyList<string>? AppIds(string key, IReadOnlyList<string> taken, string example)
    {
        if (GetText(key) is not { } text) return null;
        var ids = text.Split(',', StringSplitOptions.TrimEntries);
        if (ids.Length <= AppIdsMax && ids.Distinct().Count() == ids.Length && ids.All(id => AppId().IsMatch(id) && !taken.Contains(id))) return ids;
        Add(key, text, $"must be 1 to {AppIdsMax} app ids of participants with commas between them, each once and 1 to 32 characters of a-z 0-9 -, and none "
            + $"of them {string.Join(" or ", taken)}", example);
        return null;
    }

    /// <summary>A TCP port, 1 to 65535.</summary>
    public int Port(string key, int byDefault)
    {
        if (GetText(key) is not { } text) return byDefault;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= ushort.MaxValue) return port;
        Add(key, text, "must be a port, 1 to 65535", $"{byDefault}");
        return byDefault;
    }

    /// <summary>An absolute http or https URL. Null: it is not set.</summary>
    /// <param name="example">For the sentence about a wrong one.</param>
    public Uri? Url(string key, string example)
    {
        if (GetText(key) is not { } text) return null;
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps)) return url;
        Add(key, text, "must be an absolute http or https URL", example);
        return null;
    }

    /// <summary>Any text. Null: it is not set.</summary>
    public string? Text(string key) => GetText(key);

    /// <summary>A secret that is sent in a header: printable ASCII. Its value is in no sentence.</summary>
    public void Token(string key) =>
        Must(GetText(key) is not { } text || text.All(letter => letter is >= ' ' and <= '~'), key, "must be printable ASCII characters, such as letters and digits.");

    /// <summary>One of a few words, in any case. Null: it is not set, or not one of them.</summary>
    public string? Choice(string key, params string[] words)
    {
        if (GetText(key) is not { } text) return null;
        if (words.FirstOrDefault(word => word.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } known) return known;
        Add(key, text, $"must be {string.Join(" or ", words)}", words[^1]);
        return null;
    }

    /// <param name="problem">The rest of a sentence that begins with the name of the setting.</param>
    public void Must(bool holds, string key, string problem)
    {
        if (!holds) problems.Add($"{GetName(key)} {problem}");
    }

    /// <summary>
    /// Refuses settings of a section that do not exist: a misspelt one would silently have its default. So does the section itself, and anything below
    /// its settings.
    /// </summary>
    public SettingReader OnlyKnown(string section, params IReadOnlyList<string> known)
    {
        var names = string.Join(", ", known.Select(key => GetName($"{section}:{key}")));
        var root = configuration.GetSection(section);
        IEnumerable<IConfigurationSection> unknown =
        [
            .. root.Value is null ? [] : (IConfigurationSection[])[root],
            .. root.GetChildren().SelectMany(child => known.Contains(child.Key, StringComparer.OrdinalIgnoreCase) ? child.GetChildren() : [child]),
        ];
        foreach (var one in unknown) problems.Add($"{GetName(one.Path)} is not a setting; {section} has {names}.");
        return this;
    }

    /// <exception cref="OptionsValidationException">It has a sentence for every wrong setting.</exception>
    public void ThrowIfInvalid()
    {
        if (problems.Count > 0) throw new OptionsValidationException("settings", typeof(SettingReader), problems);
    }

    private static TimeSpan? TryParse(string text)
    {
        // With one colon it could be minutes and seconds, and .NET would read hours and minutes.
        if (text.Count(letter => letter == ':') == 2 && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var clock)) return clock;
        var match = Units().Match(text);
        if (!match.Success) return null;
        var milliseconds = 0m;
        foreach (var (unit, factor) in (ReadOnlySpan<(string, decimal)>)[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)])
        {
            if (match.Groups[unit] is { Success: true } group) milliseconds += decimal.Parse(group.Value, CultureInfo.InvariantCulture) * factor;
        }
        return TimeSpan.FromTicks((long)(milliseconds * TimeSpan.TicksPerMillisecond));
    }

    private static string Format(TimeSpan duration) => duration switch
    {
        { Ticks: > 0 } when duration.Ticks % TimeSpan.TicksPerHour == 0 => $"{duration.TotalHours:0}h",
        { Ticks: > 0 } when duration.Ticks % TimeSpan.TicksPerSecond == 0 => $"{duration.TotalSeconds:0}s",
        _ => $"{duration.TotalMilliseconds:0}ms",
    };

    private void Add(string key, string text, string rule, string example) => problems.Add($"{GetName(key)} {rule}, such as {example}, not '{text}'.");

    /// <summary>The name of the environment variable.</summary>
    private static string GetName(string key) => key.Replace(":", "__", StringComparison.Ordinal);

    /// <summary>Null: it is not set, or blank.</summary>
    private string? GetText(string key) => configuration[key]?.Trim() is { Length: > 0 } text ? text : null;

    internal static bool IsAppId(string id) => AppId().IsMatch(id);

    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,31}\z")]
    private static partial Regex AppId();

    [GeneratedRegex(@"^(?=[0-9])((?<d>[0-9]{1,4}(\.[0-9]{1,3})?)d)?((?<h>[0-9]{1,6}(\.[0-9]{1,3})?)h)?((?<m>[0-9]{1,8}(\.[0-9]{1,3})?)m)?((?<s>[0-9]{1,9}(\.[0-9]{1,3})?)s)?((?<ms>[0-9]{1,12})ms)?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Units();
}
