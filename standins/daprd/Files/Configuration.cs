using System.Globalization;
using System.Text.RegularExpressions;

namespace Daprd.Files;

/// <summary>What this stand-in reads of a Configuration file.</summary>
/// <param name="SamplingRate">0 to 1; null when the file does not say. 0 switches the passing on of trace contexts off altogether.</param>
internal sealed partial record Configuration(double? SamplingRate)
{
    public static readonly Configuration None = new((double?)null);

    public bool PassesTracesOn => SamplingRate is not 0;

    /// <summary>Later files win.</summary>
    public static Configuration Read(IEnumerable<string> files)
    {
        var found = None;
        foreach (var document in files.SelectMany(f => YamlPlace.Documents(f, Expand)))
        {
            if (document.Field("kind")?.Text() != "Configuration") continue;
            if (document.Field("spec")?.Field("tracing")?.Field("samplingRate") is not { } rate) continue;
            found = found with
            {
                SamplingRate = double.TryParse(rate.Text(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 1
                    ? value
                    : throw rate.Problem($"'{rate.Text()}' is not a sampling rate from 0 to 1"),
            };
        }

        return found;
    }

    private static string Expand(string text) =>
        Variable().Replace(text, found => Environment.GetEnvironmentVariable(found.Groups[1].Value) ?? "");

    [GeneratedRegex(@"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")]
    private static partial Regex Variable();
}
