using System.Collections.Concurrent;
using Daprd.PubSub;
using Daprd.State;

namespace Daprd;

/// <summary>The in-memory components of all sidecars in this process, shared by name.</summary>
internal sealed class SharedMemory
{
    private readonly ConcurrentDictionary<string, InMemoryState> stores = new();
    private readonly ConcurrentDictionary<string, InMemoryPubSub> brokers = new();

    public InMemoryState Store(string name) => stores.GetOrAdd(name, _ => new InMemoryState(TimeProvider.System));

    public InMemoryPubSub Broker(string name, Action<string> warn) => brokers.GetOrAdd(name, _ => new InMemoryPubSub(warn));
}
