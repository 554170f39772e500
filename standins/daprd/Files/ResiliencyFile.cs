using Daprd.Resiliency;

namespace Daprd.Files;

/// <summary>A Resiliency resource: named policies, and what they are applied to.</summary>
internal sealed record ResiliencyFile(
    string Name,
    List<string> Scopes,
    IReadOnlyDictionary<string, TimeSpan> Timeouts,
    IReadOnlyDictionary<string, RetryRule> Retries,
    IReadOnlyDictionary<string, BreakerRule> Breakers,
    IReadOnlyDictionary<string, PolicyNames> Apps,
    IReadOnlyDictionary<string, (PolicyNames Inbound, PolicyNames Outbound)> Components)
{
    public bool Concerns(string appId) => Scopes.Count == 0 || Scopes.Contains(appId);

    public static ResiliencyFile Read(YamlPlace document)
    {
        var spec = document.Required("spec");
        var policies = spec.Field("policies");
        var file = new ResiliencyFile(
            document.Required("metadata").Required("name").Text(),
            document.Texts("scopes"),
            Each(policies, "timeouts", p => p.Duration()),
            Each(policies, "retries", ReadRetry),
            Each(policies, "circuitBreakers", ReadBreaker),
            Each(spec.Field("targets"), "apps", p => ReadNames(p)),
            Each(spec.Field("targets"), "components", p => (ReadNames(p.Field("inbound")), ReadNames(p.Field("outbound")))));
        file.CheckNames(spec.Field("targets"));
        return file;
    }

    private static Dictionary<string, T> Each<T>(YamlPlace? parent, string name, Func<YamlPlace, T> read) =>
        parent?.Field(name)?.Fields().ToDictionary(f => f.Name, f => read(f.Value)) ?? [];

    private static PolicyNames ReadNames(YamlPlace? target) => target is null
        ? PolicyNames.None
        : new PolicyNames(target.Field("timeout")?.Text(), target.Field("retry")?.Text(), target.Field("circuitBreaker")?.Text());

    private static RetryRule ReadRetry(YamlPlace retry)
    {
        var exponential = retry.Field("policy") is { } policy && policy.Text().ToLowerInvariant() switch
        {
            "" or "constant" => false,
            "exponential" => true,
            _ => throw policy.Problem($"'{policy.Text()}' is neither constant nor exponential"),
        };
        var matching = retry.Field("matching");
        return new RetryRule(
            exponential,
            retry.Field("duration")?.Duration() ?? TimeSpan.FromSeconds(5),
            retry.Field("maxInterval")?.Duration() ?? TimeSpan.FromSeconds(60),
            retry.Field("maxRetries")?.Integer() ?? -1,
            ReadCodes(matching?.Field("gRPCStatusCodes")));
    }

    /// <summary>A list such as <c>1-3,14</c>; null lets every code pass.</summary>
    private static List<(int First, int Last)>? ReadCodes(YamlPlace? place)
    {
        if (place is null || place.Text().Length == 0) return null;
        var ranges = new List<(int, int)>();
        foreach (var part in place.Text().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-', StringSplitOptions.TrimEntries);
            if (ends.Length > 2 || !int.TryParse(ends[0], out var first) || !int.TryParse(ends[^1], out var last) || last < first)
            {
                throw place.Problem($"'{part}' is neither a status code nor a range of them");
            }

            ranges.Add((first, last));
        }

        return ranges;
    }

    private static BreakerRule ReadBreaker(YamlPlace breaker)
    {
        var trip = breaker.Field("trip");
        return new BreakerRule(
            Math.Max(1, breaker.Field("maxRequests")?.Integer() ?? 1),
            breaker.Field("interval")?.Duration() ?? TimeSpan.Zero,
            breaker.Field("timeout")?.Duration() is { Ticks: > 0 } timeout ? timeout : TimeSpan.FromSeconds(60),
            trip is null ? Trip.Default : ReadTrip(trip));
    }

    private static Trip ReadTrip(YamlPlace trip)
    {
        try
        {
            return Trip.Parse(trip.Text());
        }
        catch (FormatException unknown)
        {
            throw trip.Problem(unknown.Message);
        }
    }

    private void CheckNames(YamlPlace? targets)
    {
        foreach (var names in Apps.Values.Concat(Components.Values.SelectMany(c => new[] { c.Inbound, c.Outbound })))
        {
            if (names.Timeout is { } timeout && !Timeouts.ContainsKey(timeout)) throw targets!.Problem($"there is no timeout named {timeout}");
            if (names.Retry is { } retry && !Retries.ContainsKey(retry)) throw targets!.Problem($"there is no retry named {retry}");
            if (names.Breaker is { } breaker && !Breakers.ContainsKey(breaker)) throw targets!.Problem($"there is no circuit breaker named {breaker}");
        }
    }
}
