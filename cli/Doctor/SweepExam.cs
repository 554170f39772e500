using System.Globalization;
using System.Text.RegularExpressions;

namespace Shop.Doctor;

/// <summary>Whether a service's sweeps run: without them what was lost stays lost.</summary>
internal static partial class SweepExam
{
    /// <summary>A sweep runs every 2 s unless configured otherwise: several runs in a row have failed.</summary>
    private static readonly TimeSpan FailingMax = TimeSpan.FromSeconds(10);

    /// <summary>Whatever is configured: an order's deadline is no longer.</summary>
    private static readonly TimeSpan SilentMax = TimeSpan.FromSeconds(60);

    private const string Advice = "See the service's log for SweepFailed or an outage; orders and holds that have gone quiet wait until it succeeds again.";

    /// <param name="metrics">What /metrics of the service says.</param>
    public static IEnumerable<Diagnosis> Of(string service, string metrics)
    {
        var failures = Sample().Matches(metrics).Where(sample => sample.Groups["metric"].Value == "failures_total").ToDictionary(SweepOf, ValueOf);
        var ages = Sample().Matches(metrics).Where(sample => sample.Groups["metric"].Value == "last_success_age_seconds").ToDictionary(SweepOf, ValueOf);
        if (ages.Count == 0)
        {
            yield return Diagnosis.Warning(service, "sweeps", "it does not say whether they run", "Build all four services from the same commit, and start them again.");
        }
        foreach (var (sweep, seconds) in ages)
        {
            var (age, failed) = (TimeSpan.FromSeconds(seconds), failures.GetValueOrDefault(sweep));
            var seen = $"the last of {sweep} that succeeded ended {age.TotalSeconds.ToString("0", CultureInfo.InvariantCulture)} s ago; {failed:0} have failed since the service started";
            yield return age > SilentMax || failed > 0 && age > FailingMax
                ? Diagnosis.Problem(service, "sweeps", seen, Advice)
                : Diagnosis.Ok(service, "sweeps", seen);
        }
    }

    private static string SweepOf(Match sample) => sample.Groups["sweep"].Value;

    private static double ValueOf(Match sample) => double.Parse(sample.Groups["value"].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex("""^saga_sweep_(?<metric>\w+)\{[^}]*?\bsweep="(?<sweep>[^"]*)"[^}]*\} (?<value>\S+)""", RegexOptions.Multiline)]
    private static partial Regex Sample();
}
