using System.Collections.Concurrent;
using Daprd.Files;

namespace Daprd.Resiliency;

internal enum Direction
{
    /// <summary>Towards the app: delivery of events.</summary>
    Inbound,

    /// <summary>Towards the component: publishing and state.</summary>
    Outbound,
}

/// <summary>Which policy applies to what. A circuit breaker keeps its count for as long as this object lives.</summary>
internal sealed class Policies(IReadOnlyList<ResiliencyFile> files)
{
    private const string ServiceRetriesName = "DaprBuiltInServiceRetries";
    private const int ServiceRetriesAtLeast = 3;

    private readonly ConcurrentDictionary<(string, Direction), Policy> _components = new();
    private readonly ConcurrentDictionary<(string, string), Policy> _apps = new();
    private readonly ConcurrentDictionary<string, CircuitBreaker> _breakers = new();

    public IEnumerable<string> Names => files.Select(f => f.Name);

    /// <param name="kind"><c>Pubsub</c> or <c>Statestore</c>: the word that names of default policies contain.</param>
    public Policy ForComponent(string name, string kind, Direction direction) =>
        _components.GetOrAdd((name, direction), _ =>
            files.FirstOrDefault(f => f.Components.ContainsKey(name)) is { } listed
                ? Build(name, listed, direction == Direction.Inbound ? listed.Components[name].Inbound : listed.Components[name].Outbound)
                : ByDefault(name, $"Default{kind}Component{direction}", $"DefaultComponent{direction}", "DefaultComponent", "Default"));

    /// <param name="method">Each method of an app has a circuit breaker of its own.</param>
    public Policy ForApp(string appId, string method) =>
        _apps.GetOrAdd((appId, method), _ =>
            files.FirstOrDefault(f => f.Apps.ContainsKey(appId)) is { } listed
                ? Build($"{appId}:{method}", listed, listed.Apps[appId])
                : ByDefault($"{appId}:{method}", "DefaultApp", "Default"));

    /// <summary>How often a sidecar that cannot be reached is tried again by the sidecar's own rpc when no file lists its app.</summary>
    public Policy ForUnlistedSidecar(string appId)
    {
        if (files.Any(f => f.Apps.ContainsKey(appId))) return Policy.None;
        var named = files.Select(f => f.Retries.GetValueOrDefault(ServiceRetriesName)).FirstOrDefault(r => r is not null)
            ?? new RetryRule(Exponential: false, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(60), ServiceRetriesAtLeast, null);
        return new Policy(null, named with { MaxRetries = Math.Max(ServiceRetriesAtLeast, named.MaxRetries) }, null, TimeProvider.System);
    }

    private Policy Build(string target, ResiliencyFile file, PolicyNames names) => new(
        names.Timeout is { } timeout ? file.Timeouts[timeout] : null,
        names.Retry is { } retry ? file.Retries[retry] : null,
        names.Breaker is { } breaker ? BreakerOf(target, file.Breakers[breaker]) : null,
        TimeProvider.System);

    /// <summary>Both directions of a component share one breaker, which follows the rule that is asked for first.</summary>
    private CircuitBreaker BreakerOf(string target, BreakerRule rule) => _breakers.GetOrAdd(target, _ => new CircuitBreaker(rule, TimeProvider.System));

    private Policy ByDefault(string target, params string[] prefixes)
    {
        var timeout = Find(f => f.Timeouts, "TimeoutPolicy", out TimeSpan limit) ? limit : (TimeSpan?)null;
        var retry = Find(f => f.Retries, "RetryPolicy", out RetryRule? rule) ? rule : null;
        var breaker = Find(f => f.Breakers, "CircuitBreakerPolicy", out BreakerRule? tripping) ? BreakerOf(target, tripping!) : null;
        return new Policy(timeout, retry, breaker, TimeProvider.System);

        bool Find<T>(Func<ResiliencyFile, IReadOnlyDictionary<string, T>> policies, string suffix, out T? found)
        {
            foreach (var prefix in prefixes)
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
