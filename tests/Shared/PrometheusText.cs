using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Shared;

/// <summary>One sample line.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

/// <summary>A metric family: type, help and samples.</summary>
internal sealed record Family(string Name, string Type, string Help, IReadOnlyList<Sample> Samples);

/// <summary>A strict parser for the Prometheus text format.</summary>
/// <remarks>https://prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4.</remarks>
internal static partial class PrometheusText
{
    /// <exception cref="FormatException">The text is invalid; the message quotes the line.</exception>
    public static IReadOnlyDictionary<string, Family> Parse(string text)
    {
        if (!text.EndsWith('\n')) throw new FormatException("The last line does not end.");
        Dictionary<string, (string Type, string Help, List<Sample> Samples)> families = [];
        HashSet<string> seen = [];
        var now = "";
        foreach (var line in text.Split('\n').Where(line => line.Length > 0))
        {
            if (Declared().Match(line) is { Success: true } declared)
            {
                now = declared.Groups[2].Value;
                var before = families.GetValueOrDefault(now, ("untyped", "", []));
                if (before.Samples.Count > 0) throw new FormatException($"'{line}' comes after the first sample.");
                var value = declared.Groups[3].Value;
                families[now] = declared.Groups[1].Value == "TYPE" ? (value, before.Help, before.Samples) : (before.Type, value, before.Samples);
                continue;
            }
            if (line.StartsWith('#')) continue;
            var sample = SampleOf(line);
            if (!families.TryGetValue(now, out var family) || !Belongs(sample.Name, now, family.Type))
            {
                throw new FormatException($"'{line}' does not belong to '{now}'.");
            }
            if (!seen.Add(line[..line.LastIndexOf(' ')])) throw new FormatException($"'{line}' is duplicated.");
            family.Samples.Add(sample);
        }
        return families.ToDictionary(family => family.Key, family => Checked(new(family.Key, family.Value.Type, family.Value.Help, family.Value.Samples)));
    }

    private static bool Belongs(string sample, string family, string type) => type == "histogram"
        ? sample == $"{family}_bucket" || sample == $"{family}_sum" || sample == $"{family}_count"
        : sample == family;

    private static Sample SampleOf(string line)
    {
        var match = Line().Match(line);
        if (!match.Success) throw new FormatException($"'{line}' is not a sample.");
        Dictionary<string, string> labels = [];
        foreach (Match label in Label().Matches(match.Groups["labels"].Value)) labels.Add(label.Groups[1].Value, Unescaped(label.Groups[2].Value));
        return new(match.Groups["name"].Value, labels, ValueOf(match.Groups["value"].Value));
    }

    private static Family Checked(Family family)
    {
        if (family.Type == "counter")
        {
            Must(family.Name.EndsWith("_total", StringComparison.Ordinal), $"The counter {family.Name} does not end in _total.");
            Must(family.Samples.All(sample => sample.Value >= 0), $"The counter {family.Name} is negative.");
        }
        if (family.Type != "histogram") return family;
        foreach (var one in family.Samples.GroupBy(LabelsButBound))
        {
            var buckets = one.Where(sample => sample.Name == $"{family.Name}_bucket")
                .Select(sample => (Bound: ValueOf(sample.Labels["le"]), sample.Value)).ToArray();
            var upwards = buckets.Zip(buckets.Skip(1)).All(pair => pair.First.Bound < pair.Second.Bound && pair.First.Value <= pair.Second.Value);
            Must(upwards, $"The buckets of {family.Name} do not add up.");
            var count = one.Single(sample => sample.Name == $"{family.Name}_count").Value;
            Must(buckets.Length > 0 && buckets[^1] == (double.PositiveInfinity, count), $"The last bucket of {family.Name} does not equal its count.");
            Must(one.Count(sample => sample.Name == $"{family.Name}_sum") == 1, $"{family.Name} has no sum.");
        }
        return family;
    }

    private static string LabelsButBound(Sample sample) =>
        string.Join(',', sample.Labels.Where(label => label.Key != "le").Select(label => $"{label.Key}={label.Value}"));

    private static void Must(bool holds, string wrong)
    {
        if (!holds) throw new FormatException(wrong);
    }

    private static double ValueOf(string text) => text switch
    {
        "+Inf" => double.PositiveInfinity,
        "-Inf" => double.NegativeInfinity,
        _ => double.Parse(text, CultureInfo.InvariantCulture),
    };

    private static string Unescaped(string text)
    {
        var plain = new StringBuilder();
        for (var at = 0; at < text.Length; at++) plain.Append(text[at] != '\\' ? text[at] : text[++at] == 'n' ? '\n' : text[at]);
        return plain.ToString();
    }

    [GeneratedRegex(@"^# (TYPE|HELP) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$")]
    private static partial Regex Declared();

    [GeneratedRegex("""^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"""
        + """(\{(?<labels>([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\n"])*",?)*)\})? (?<value>[-+0-9.eEInfNa]+)( \d+)?$""")]
    private static partial Regex Line();

    [GeneratedRegex(@"([a-zA-Z_][a-zA-Z0-9_]*)=""((?:[^""\\]|\\.)*)""")]
    private static partial Regex Label();
}
