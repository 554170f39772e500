using Daprd.Resiliency;

namespace Daprd.Files;

/// <summary>A Resiliency resource: named policies, and the components to whose deliveries they apply.</summary>
internal sealed record ResiliencyFile(
    string Name,
    List<string> Scopes,
    IReadOnlyDictionary<string, TimeSpan> Timeouts,
    IReadOnlyDictionary<string, RetryRule> Retries,
    IReadOnlyDictionary<string, PolicyNames> Components)
{
    public bool Concerns(string appId) => Scopes.Count == 0 || Scopes.Contains(appId);

    public static ResiliencyFile Read(YamlNodeRef document, Action<string> warn)
    {
        var spec = document.Required("spec");
        var (policies, targets) = (spec.Field("policies"), spec.Field("targets"));
        var file = new ResiliencyFile(
            document.Required("metadata").Required("name").Text(),
            document.Texts("scopes"),
            Each(policies, "timeouts", p => p.Duration()),
            Each(policies, "retries", ReadRetry),
            Each(targets, "components", p => ReadNames(p.Field("inbound"))));
        var components = targets?.Field("components")?.Fields().Select(component => component.Value).ToList() ?? [];
        IEnumerable<YamlNodeRef?> missing =
        [
            policies?.Field("circuitBreakers"), targets?.Field("apps"), targets?.Field("actors"),
            .. components.Select(component => component.Field("outbound")),
            .. components.Select(component => component.Field("inbound")?.Field("circuitBreaker")),
        ];
        foreach (var node in missing.OfType<YamlNodeRef>()) warn(node.Error("this is not in this stand-in for daprd, and ignored").Message);
        file.CheckNames(targets);
        return file;
    }

    private static Dictionary<string, T> Each<T>(YamlNodeRef? parent, string name, Func<YamlNodeRef, T> read) =>
        parent?.Field(name)?.Fields().ToDictionary(f => f.Name, f => read(f.Value)) ?? [];

    private static PolicyNames ReadNames(YamlNodeRef? target) => target is null
        ? PolicyNames.None
        : new PolicyNames(target.Field("timeout")?.Text(), target.Field("retry")?.Text());

    private static RetryRule ReadRetry(YamlNodeRef retry)
    {
        var exponential = retry.Field("policy") is { } policy && policy.Text().ToLowerInvariant() switch
        {
            "" or "constant" => false,
            "exponential" => true,
            _ => throw policy.Error($"'{policy.Text()}' is neither constant nor exponential"),
        };
        var matching = retry.Field("matching");
        return new RetryRule(
            exponential,
            retry.Field("duration")?.Duration() ?? TimeSpan.FromSeconds(5),
            retry.Field("maxInterval")?.Duration() ?? TimeSpan.FromSeconds(60),
            retry.Field("maxRetries")?.Integer() ?? -1,
            ReadCodes(matching?.Field("gRPCStatusCodes")));
    }

    /// <summary>Parses a list such as <c>1-3,14</c>; null: all codes.</summary>
    private static List<(int First, int Last)>? ReadCodes(YamlNodeRef? node)
    {
        if (node is null || node.Text().Length == 0) return null;
        var ranges = new List<(int, int)>();
        foreach (var part in node.Text().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-', StringSplitOptions.TrimEntries);
            if (ends.Length > 2 || !int.TryParse(ends[0], out var first) || !int.TryParse(ends[^1], out var last) || last < first)
            {
                throw node.Error($"'{part}' is neither a status code nor a range of them");
            }

            ranges.Add((first, last));
        }

        return ranges;
    }

    private void CheckNames(YamlNodeRef? targets)
    {
        foreach (var names in Components.Values)
        {
            if (names.Timeout is { } timeout && !Timeouts.ContainsKey(timeout)) throw targets!.Error($"there is no timeout named {timeout}");
            if (names.Retry is { } retry && !Retries.ContainsKey(retry)) throw targets!.Error($"there is no retry named {retry}");
        }
    }
}
