using System.Collections;

namespace Grpc.AspNetCore.HealthChecks;

public sealed class ServiceMappingCollection : IEnumerable<ServiceMapping>
{
    private readonly OrderedDictionary<string, ServiceMapping> mappings = [];

    /// <summary>Lets the health checks that <paramref name="predicate"/> picks decide about <paramref name="name"/>.</summary>
    public void Map(string name, Func<HealthCheckMapContext, bool> predicate) => mappings[name] = new(name, predicate);

    public void Add(ServiceMapping service) => mappings.Add(service.Name, service);

    public void Remove(string name) => mappings.Remove(name);

    public void Clear() => mappings.Clear();

    public IEnumerator<ServiceMapping> GetEnumerator() => mappings.Values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal ServiceMapping? Find(string name) => mappings.GetValueOrDefault(name);
}

public sealed class ServiceMapping
{
    private readonly Func<HealthCheckMapContext, bool> predicate;

    public ServiceMapping(string name, Func<HealthCheckMapContext, bool> predicate)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(predicate);
        Name = name;
        this.predicate = predicate;
    }

    public string Name { get; }

    internal bool Includes(string checkName, IEnumerable<string> tags) => predicate(new HealthCheckMapContext(checkName, tags));
}

/// <summary>A health check, as a mapping sees it.</summary>
public sealed class HealthCheckMapContext(string name, IEnumerable<string> tags)
{
    public string Name { get; } = name;

    public IEnumerable<string> Tags { get; } = tags;
}
