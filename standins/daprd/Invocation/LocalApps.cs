using System.Collections.Concurrent;
using System.Collections.Immutable;
using Daprd.App;
using Daprd.Tracing;

namespace Daprd.Invocation;

/// <summary>An app whose sidecar runs in this process.</summary>
/// <param name="AppApiToken">The token that its sidecar sends to it; empty: none.</param>
/// <param name="Spans">The spans of its sidecar.</param>
internal sealed record LocalApp(AppChannel App, string AppApiToken, Spans Spans);

/// <summary>The apps whose sidecars run in this process. Several of one app id are called in turn.</summary>
internal sealed class LocalApps
{
    private readonly ConcurrentDictionary<string, ImmutableArray<LocalApp>> apps = new();
    private uint turn;

    public void Add(string appId, LocalApp app) => apps.AddOrUpdate(appId, [app], (_, others) => others.Add(app));

    public void Remove(string appId, LocalApp app) => apps.AddOrUpdate(appId, [], (_, all) => all.Remove(app));

    /// <summary>Null: there is none.</summary>
    public LocalApp? Find(string appId) =>
        apps.GetValueOrDefault(appId) is { IsDefaultOrEmpty: false } all ? all[(int)(Interlocked.Increment(ref turn) % all.Length)] : null;
}
