using System.Text.Json.Serialization;

namespace Shop.Doctor;

/// <summary>The result of one check.</summary>
/// <param name="Subject">A service, its sidecar, a component, or Redis.</param>
/// <param name="Check">Such as "health", "clock", "dead-letter topics".</param>
/// <param name="Observed">What was found.</param>
/// <param name="Advice">What to do. Empty: nothing.</param>
internal sealed record CheckResult(
    [property: JsonPropertyName("of")] string Subject,
    [property: JsonPropertyName("what")] string Check,
    [property: JsonPropertyName("verdict")] Severity Severity,
    [property: JsonPropertyName("seen")] string Observed,
    string Advice)
{
    public static CheckResult Ok(string subject, string check, string observed) => new(subject, check, Severity.Ok, observed, "");

    public static CheckResult Warning(string subject, string check, string observed, string advice) => new(subject, check, Severity.Warning, observed, advice);

    public static CheckResult Problem(string subject, string check, string observed, string advice) => new(subject, check, Severity.Problem, observed, advice);
}
