using Daprd.Resiliency;

namespace Daprd.Files;

/// <summary>A Resiliency resource.</summary>
/// <param name="Deliveries">The policies for deliveries from components, by the name of the component.</param>
internal sealed record ResiliencyFile(string Name, IReadOnlyDictionary<string, DeliveryPolicy> Deliveries)
{
    public static ResiliencyFile Read(YamlNodeRef document, Action<string> warn)
    {
        var spec = document.Required("spec");
        var (policies, targets) = (spec.Field("policies"), spec.Field("targets"));
        var timeouts = Each(policies?.Field("timeouts"), ReadTimeout);
        var retries = Each(policies?.Field("retries"), retry => ReadRetry(retry, warn));
        var components = Each(targets?.Field("components"), component => component);
        IEnumerable<YamlNodeRef?> missing =
        [
            policies?.Field("circuitBreakers"), targets?.Field("apps"), targets?.Field("actors"),
            .. components.Values.Select(component => component.Field("outbound")),
            .. components.Values.Select(component => component.Field("inbound")?.Field("circuitBreaker")),
        ];
        foreach (var node in missing.OfType<YamlNodeRef>()) WarnOfMissing(node, warn);
        return new ResiliencyFile(
            document.Required("metadata").Required("name").Text(),
            components.ToDictionary(component => component.Key, component => new DeliveryPolicy(
                Find(component.Value.Field("inbound")?.Field("timeout"), timeouts), Find(component.Value.Field("inbound")?.Field("retry"), retries))));
    }

    private static Dictionary<string, T> Each<T>(YamlNodeRef? parent, Func<YamlNodeRef, T> read) =>
        parent?.Fields().ToDictionary(field => field.Name, field => read(field.Value)) ?? [];

    private static TimeSpan ReadTimeout(YamlNodeRef timeout) =>
        timeout.Duration() is var given && given >= DeliveryPolicy.TimeoutMin && given <= DeliveryPolicy.TimeoutMax ? given
        : throw timeout.Error($"'{timeout.Text()}' is not from 10ms to 24h");

    private static RetryRule ReadRetry(YamlNodeRef retry, Action<string> warn)
    {
        if (retry.Field("matching") is { } matching) WarnOfMissing(matching, warn);
        return new RetryRule(
            retry.Field("policy") is { } policy && policy.Text().ToLowerInvariant() switch
            {
                "" or "constant" => false,
                "exponential" => true,
                _ => throw policy.Error($"'{policy.Text()}' is neither constant nor exponential"),
            },
            retry.Field("duration")?.Duration() ?? TimeSpan.FromSeconds(5),
            retry.Field("maxInterval")?.Duration() ?? TimeSpan.FromSeconds(60),
            retry.Field("maxRetries")?.Integer() ?? -1);
    }

    private static T? Find<T>(YamlNodeRef? name, Dictionary<string, T> policies) => name is null ? default
        : policies.TryGetValue(name.Text(), out var found) ? found
        : throw name.Error($"there is no policy named {name.Text()}");

    private static void WarnOfMissing(YamlNodeRef node, Action<string> warn) =>
        warn(node.Error("this is not in this stand-in for daprd, and ignored").Message);
}
