using System.Text.RegularExpressions;

namespace Shop.Doctor;

/// <summary>Whether the services are all of the same build.</summary>
internal static partial class VersionExam
{
    /// <summary>Of a commit, enough to tell it from others.</summary>
    private const int CommitDigits = 10;

    /// <param name="metrics">What /metrics of the service says.</param>
    /// <returns>Empty: it does not say.</returns>
    public static string In(string metrics) => TargetInfo().Match(metrics).Groups[1].Value;

    /// <param name="told">By each service that answers. An empty version: it does not say.</param>
    public static Diagnosis? Of(IEnumerable<(string Service, string Version)> told)
    {
        var versions = told.GroupBy(one => one.Version, one => one.Service).ToArray();
        return versions switch
        {
            [] => null,
            [{ Key.Length: > 0 } all] => Diagnosis.Ok("services", "version", Shortened(all.Key)),
            _ => Diagnosis.Warning("services", "version", string.Join("; ", versions.Select(same => $"{string.Join(", ", same)}: {Shortened(same.Key)}")),
                "Build all four from the same commit and start them again; ./run.sh does both."),
        };
    }

    private static string Shortened(string version) => version.Split('+') switch
    {
        [""] => "unknown",
        [var number, { Length: > CommitDigits } commit] => $"{number}+{commit[..CommitDigits]}",
        _ => version,
    };

    [GeneratedRegex("""^target_info\{.*?service_version="([^"]*)".*\}""", RegexOptions.Multiline)]
    private static partial Regex TargetInfo();
}
