using Daprd.Files;
using Daprd.PubSub;
using Daprd.Redis;
using Daprd.State;

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
            var component = options.Embedded
                ? written with { Type = written.Type.Replace(".redis", ".in-memory", StringComparison.OrdinalIgnoreCase) }
                : written;
            // As in daprd, the category is case-sensitive and the rest of the type is not.
            if (component.Type.Split('.')[0] is not ("state" or "pubsub" or "secretstores")) throw component.Source.Error($"incorrect type {component.Type}");
            switch (component.Type.ToLowerInvariant())
            {
                case "state.redis":
                    var redisState = new RedisState(component, options.Version);
                    open.Add(redisState);
                    await ConnectAsync(component, redisState.OpenAsync);
                    AddState(component, redisState);
                    break;
                case "state.in-memory":
                    AddState(component, memory.Store(component.Name));
                    break;
                case "pubsub.redis":
                    var redisPubSub = new RedisPubSub(component, options.AppId, options.Version, warn);
                    open.Add(redisPubSub);
                    await ConnectAsync(component, redisPubSub.OpenAsync);
                    AddPubSub(component, redisPubSub);
                    break;
                case "pubsub.in-memory":
                    AddPubSub(component, memory.Broker(component.Name, warn));
                    break;
                case var type when Secrets.IsSecretStore(type):
                    Registered.Add((component, []));
                    break;
                default:
                    throw component.Source.Error(
                        $"component {component.Name} is a {component.Type}, and this stand-in has only state.redis, state.in-memory, pubsub.redis, "
                        + "pubsub.in-memory, secretstores.local.file and secretstores.local.env");
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
        foreach (var one in open) await one.DisposeAsync();
    }

    private static async Task ConnectAsync(Component component, Func<Task> open)
    {
        try
        {
            await open();
        }
        catch (RedisUnreachableException)
        {
            throw new ConfigurationException(
                $"Redis, which the component {component.Name} needs, does not answer at {RedisAddress.Of(component)}; "
                + "start one with 'redis-server', or run without Redis by adding --embedded.");
        }
        catch (RedisException refusal)
        {
            throw component.Source.Error($"Redis at {RedisAddress.Of(component)} refuses the component {component.Name}: {refusal.Message}");
        }
    }
}
