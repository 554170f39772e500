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
    private readonly ConcurrentDictionary<(string, Direction), Policy> _components = new();

    public IEnumerable<string> Names => files.Select(f => f.Name);

    /// <summary>Apps for whose invocation the files name policies.</summary>
    public IEnumerable<string> Apps => files.SelectMany(f => f.Apps.Keys);

    /// <param name="kind"><c>Pubsub</c> or <c>Statestore</c>: the word that names of default policies contain.</param>
    public Policy ForComponent(string name, string kind, Direction direction) =>
        _components.GetOrAdd((name, direction), _ =>
            files.FirstOrDefault(f => f.Components.ContainsKey(name)) is { } listed
                ? Build(listed, direction == Direction.Inbound ? listed.Components[name].Inbound : listed.Components[name].Outbound)
                : ByDefault($"Default{kind}Component{direction}", $"DefaultComponent{direction}", "DefaultComponent", "Default"));

    private static Policy Build(ResiliencyFile file, PolicyNames names) => new(
        names.Timeout is { } timeout ? file.Timeouts[timeout] : null,
        names.Retry is { } retry ? file.Retries[retry] : null,
        names.Breaker is { } breaker ? new CircuitBreaker(file.Breakers[breaker], TimeProvider.System) : null,
        TimeProvider.System);

    private Policy ByDefault(params string[] prefixes)
    {
        var timeout = Find(f => f.Timeouts, "TimeoutPolicy", out TimeSpan limit) ? limit : (TimeSpan?)null;
        var retry = Find(f => f.Retries, "RetryPolicy", out RetryRule? rule) ? rule : null;
        var breaker = Find(f => f.Breakers, "CircuitBreakerPolicy", out BreakerRule? trip) ? new CircuitBreaker(trip!, TimeProvider.System) : null;
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
