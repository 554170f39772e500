namespace Shop.Doctor;

/// <summary>How grave it is.</summary>
internal enum Verdict
{
    Ok,
    /// <summary>The shop works, but not as well as it could, or it cannot be told.</summary>
    Warning,
    /// <summary>Orders fail, wait or are lost because of it.</summary>
    Problem,
}

/// <summary>One thing looked at.</summary>
/// <param name="Of">Whose: a service, its sidecar, Redis.</param>
/// <param name="What">Which thing: "health", "clock", "dead-letter topics".</param>
/// <param name="Advice">What to do. Empty: nothing.</param>
internal sealed record Diagnosis(string Of, string What, Verdict Verdict, string Seen, string Advice)
{
    public static Diagnosis Ok(string of, string what, string seen) => new(of, what, Verdict.Ok, seen, "");

    public static Diagnosis Warning(string of, string what, string seen, string advice) => new(of, what, Verdict.Warning, seen, advice);

    public static Diagnosis Problem(string of, string what, string seen, string advice) => new(of, what, Verdict.Problem, seen, advice);
}
