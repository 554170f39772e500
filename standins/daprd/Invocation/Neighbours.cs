using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Daprd.App;
using Daprd.Tracing;

namespace Daprd.Invocation;

/// <summary>An app whose sidecar runs in this process.</summary>
/// <param name="AppApiToken">What its sidecar shows to it; empty shows nothing.</param>
/// <param name="Spans">Those of its sidecar.</param>
internal sealed record Neighbour(AppChannel App, string AppApiToken, Spans Spans);

/// <summary>The apps whose sidecars run in this process, by app id.</summary>
internal sealed class Neighbours
{
    private readonly ConcurrentDictionary<string, Neighbour> _apps = new();

    public void Add(string appId, Neighbour app) => _apps[appId] = app;

    public void Remove(string appId) => _apps.TryRemove(appId, out _);

    public bool TryFind(string appId, [NotNullWhen(true)] out Neighbour? app) => _apps.TryGetValue(appId, out app);
}
