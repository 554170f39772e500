using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Daprd.App;
using Daprd.Tracing;

namespace Daprd.Invocation;

/// <summary>An app whose sidecar runs in this process.</summary>
/// <param name="AppApiToken">The token that its sidecar sends to it; empty: none.</param>
/// <param name="Spans">The spans of its sidecar.</param>
internal sealed record LocalApp(AppChannel App, string AppApiToken, Spans Spans);

/// <summary>The apps whose sidecars run in this process, by app id.</summary>
internal sealed class LocalApps
{
    private readonly ConcurrentDictionary<string, LocalApp> apps = new();

    public void Add(string appId, LocalApp app) => apps[appId] = app;

    public void Remove(string appId) => apps.TryRemove(appId, out _);

    public bool TryFind(string appId, [NotNullWhen(true)] out LocalApp? app) => apps.TryGetValue(appId, out app);
}
