using Daprd.Files;
using Daprd.PubSub;
using Daprd.Redis;
using Daprd.State;
using StackExchange.Redis;

namespace Daprd;

/// <summary>The open components of one app.</summary>
internal sealed class Components : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> open = [];

    public List<(Component Component, IReadOnlyList<string> Capabilities)> Registered { get; } = [];

    /// <summary>Throws <see cref="ConfigurationException"/> if a component type is unknown or its server is unreachable.</summary>
    public async Task OpenAsync(
        IEnumerable<Component> components, SidecarOptions options, SharedMemory memory, StateApi state, Publisher publisher, Action<string> warn)
    {
        foreach (var written in components)
        {
            // The metadata of a sidecar report what is in use.
            var component = options.Embedded ? written with { Type = written.Type.Replace(".redis", ".in-memory", StringComparison.Ordinal) } : written;
            switch (component.Type)
            {
                case "state.redis":
                    AddState(component, new RedisState(component, await ConnectAsync(component), options.Version));
                    break;
                case "state.in-memory":
                    AddState(component, memory.Store(component.Name));
                    break;
                case "pubsub.redis":
                    var settings = RedisPubSubSettings.Of(component, options.AppId, options.Version);
                    var pubSub = new RedisPubSub(component, await ConnectAsync(component), settings, warn);
                    open.Add(pubSub);
                    AddPubSub(component, pubSub);
                    break;
                case "pubsub.in-memory":
                    AddPubSub(component, memory.Broker(component.Name, warn).For(options.AppId));
                    break;
                default:
                    throw component.Source.Error(
                        $"component {component.Name} is a {component.Type}, and this stand-in has only state.redis, state.in-memory, pubsub.redis "
                        + "and pubsub.in-memory");
            }
        }

        void AddState(Component component, IStateStore store)
        {
            state.Add(component, store, options.AppId);
            Registered.Add((component, store.Capabilities));
        }

        void AddPubSub(Component component, IPubSub pubSub)
        {
            publisher.Add(component, pubSub);
            Registered.Add((component, []));
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The users of a connection, which are opened later, first.
        foreach (var one in Enumerable.Reverse(open)) await one.DisposeAsync();
    }

    private async Task<IConnectionMultiplexer> ConnectAsync(Component component)
    {
        try
        {
            var connection = await RedisConnection.OpenAsync(component);
            open.Add(connection);
            return connection;
        }
        catch (RedisException unreachable)
        {
            throw new ConfigurationException(
                $"Redis, which the component {component.Name} needs, does not answer at {RedisConnection.GetAddress(component)}; "
                + $"start one with 'redis-server', or run without Redis by adding --embedded. {unreachable.Message}");
        }
    }
}
