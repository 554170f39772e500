using Daprd.Files;

namespace Daprd.Resiliency;

/// <summary>Finds the policy for deliveries of a component.</summary>
internal sealed class Policies(IReadOnlyList<ResiliencyFile> files)
{
    /// <summary>Name prefixes of the default policies, which apply to components that no file lists; most specific first.</summary>
    private static readonly string[] Prefixes = ["DefaultPubsubComponentInbound", "DefaultComponentInbound", "DefaultComponent", "Default"];

    public IEnumerable<string> Names => files.Select(f => f.Name);

    public Policy ForDeliveriesOf(string component)
    {
        if (files.FirstOrDefault(f => f.Components.ContainsKey(component)) is not { } listed) return ByDefault();
        var names = listed.Components[component];
        return new Policy(
            names.Timeout is { } timeout ? listed.Timeouts[timeout] : null, names.Retry is { } retry ? listed.Retries[retry] : null, TimeProvider.System);
    }

    private Policy ByDefault()
    {
        return new Policy(
            Find(f => f.Timeouts, "TimeoutPolicy", out var limit) ? limit : null,
            Find(f => f.Retries, "RetryPolicy", out var rule) ? rule : null,
            TimeProvider.System);

        bool Find<T>(Func<ResiliencyFile, IReadOnlyDictionary<string, T>> policies, string suffix, out T? found)
        {
            foreach (var prefix in Prefixes)
            {
                foreach (var file in files)
                {
                    if (policies(file).TryGetValue(prefix + suffix, out found)) return true;
                }
            }

            found = default;
            return false;
        }
    }
}
