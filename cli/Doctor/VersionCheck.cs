using System.Text.RegularExpressions;

namespace Shop.Doctor;

/// <summary>Checks that all services are of the same build.</summary>
internal static partial class VersionCheck
{
    /// <summary>Digits of a commit id that are shown.</summary>
    private const int CommitDigits = 10;

    /// <param name="metrics">The metrics of a service.</param>
    /// <returns>Empty: unknown.</returns>
    public static string GetVersion(string metrics) => TargetInfo().Match(metrics).Groups[1].Value;

    /// <param name="services">All that answer. An empty version: unknown.</param>
    /// <returns>Null: no service answers.</returns>
    public static CheckResult? Evaluate(IEnumerable<(string Service, string Version)> services)
    {
        var versions = services.GroupBy(one => one.Version, one => one.Service).ToArray();
        return versions switch
        {
            [] => null,
            [{ Key.Length: > 0 } all] => CheckResult.Ok("services", "version", Shorten(all.Key)),
            _ => CheckResult.Warning("services", "version", string.Join("; ", versions.Select(same => $"{string.Join(", ", same)}: {Shorten(same.Key)}")),
                "Build all four from the same commit and start them again; ./run.sh does both."),
        };
    }

    private static string Shorten(string version) => version.Split('+') switch
    {
        [""] => "unknown",
        [var number, { Length: > CommitDigits } commit] => $"{number}+{commit[..CommitDigits]}",
        _ => version,
    };

    [GeneratedRegex("""^target_info\{.*?service_version="([^"]*)".*\}""", RegexOptions.Multiline)]
    private static partial Regex TargetInfo();
}
