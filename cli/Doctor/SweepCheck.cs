using System.Globalization;
using System.Text.RegularExpressions;

namespace Shop.Doctor;

/// <summary>Checks that the sweeps of a service run: they recover what was lost.</summary>
internal static partial class SweepCheck
{
    /// <summary>A sweep runs every 2 s by default: after this time several runs in a row have failed.</summary>
    private static readonly TimeSpan FailingMax = TimeSpan.FromSeconds(10);

    /// <summary>The default deadline of an order; a sweep that runs less often is useless.</summary>
    private static readonly TimeSpan SilentMax = TimeSpan.FromSeconds(60);

    private const string Advice =
        "See the service's log for SweepFailed or an outage; orders and reservations that make no progress wait until it succeeds again.";

    /// <param name="metrics">The metrics of the service. Empty: not available.</param>
    public static IEnumerable<CheckResult> Evaluate(string service, string metrics)
    {
        var failures = Sample().Matches(metrics).Where(sample => sample.Groups["metric"].Value == "failures_total").ToDictionary(GetSweep, GetValue);
        var ages = Sample().Matches(metrics).Where(sample => sample.Groups["metric"].Value == "last_success_age_seconds").ToDictionary(GetSweep, GetValue);
        if (ages.Count == 0)
        {
            yield return CheckResult.Warning(service, "sweeps", "its metrics do not show whether they run",
                "Build all four services from the same commit, and start them again.");
        }
        foreach (var (sweep, seconds) in ages)
        {
            var (age, failed) = (TimeSpan.FromSeconds(seconds), failures.GetValueOrDefault(sweep));
            var observed = $"the last of {sweep} that succeeded ended {age.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s ago; "
                + $"{failed:0} have failed since the service started";
            yield return age > SilentMax || failed > 0 && age > FailingMax
                ? CheckResult.Problem(service, "sweeps", observed, Advice)
                : CheckResult.Ok(service, "sweeps", observed);
        }
    }

    private static string GetSweep(Match sample) => sample.Groups["sweep"].Value;

    private static double GetValue(Match sample) => double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("""^saga_sweep_(?<metric>\w+)\{[^}]*?\bsweep="(?<sweep>[^"]*)"[^}]*\} (?<value>\S+)""", RegexOptions.Multiline)]
    private static partial Regex Sample();
}
