using System.Collections.Concurrent;
using Daprd.App;

namespace Daprd.Invocation;

/// <summary>The apps whose sidecars run in this process, by app id.</summary>
internal sealed class Neighbours
{
    private readonly ConcurrentDictionary<string, (AppChannel Channel, string AppApiToken)> _apps = new();

    public void Add(string appId, AppChannel channel, string appApiToken) => _apps[appId] = (channel, appApiToken);

    public void Remove(string appId) => _apps.TryRemove(appId, out _);

    public bool TryFind(string appId, out AppChannel channel, out string appApiToken)
    {
        var found = _apps.TryGetValue(appId, out var app);
        (channel, appApiToken) = app;
        return found;
    }
}
