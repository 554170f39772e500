using Daprd.Files;
using StackExchange.Redis;

namespace Daprd.Redis;

/// <summary>Opens connections to the Redis of a component.</summary>
internal static class RedisConnection
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(3);

    /// <summary>As go-redis waits for the reply of a command that blocks longer than it blocks.</summary>
    private static readonly TimeSpan BlockingAllowance = TimeSpan.FromSeconds(10);

    /// <summary>How often the client looks for overdue replies and lost connections.</summary>
    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromMilliseconds(200);

    private static readonly HashSet<string> Unused = ["SUBSCRIBE"];

    public static string GetAddress(Component component) => component.Value("redisHost") is { Length: > 0 } host ? host
        : throw component.Source.Error($"redisHost of {component.Name} is missing");

    /// <summary>A pipelined connection for commands that do not block. Throws <see cref="RedisConnectionException"/> if Redis is not reachable.</summary>
    public static Task<IConnectionMultiplexer> OpenAsync(Component component) =>
        OpenAsync(component, component.Duration("readTimeout", TimeSpan.Zero) is { Ticks: > 0 } timeout ? timeout : DefaultTimeout);

    /// <summary>A blocking command holds up all others of its connection, so it has one of its own.</summary>
    /// <param name="longest">The time for which the command blocks.</param>
    public static Task<IConnectionMultiplexer> OpenBlockingAsync(Component component, TimeSpan longest) => OpenAsync(component, longest + BlockingAllowance);

    private static async Task<IConnectionMultiplexer> OpenAsync(Component component, TimeSpan timeout) =>
        await ConnectionMultiplexer.ConnectAsync(new ConfigurationOptions
        {
            EndPoints = { GetAddress(component) },
            User = component.Value("redisUsername") is { Length: > 0 } user ? user : null,
            Password = component.Value("redisPassword"),
            DefaultDatabase = component.Integer("redisDB", 0),
            Ssl = component.Flag("enableTLS"),
            Protocol = RedisProtocol.Resp2,
            AsyncTimeout = (int)timeout.TotalMilliseconds,
            HeartbeatInterval = HeartbeatInterval,
            // A request fails at once while Redis is away, as in daprd.
            BacklogPolicy = BacklogPolicy.FailFast,
            ReconnectRetryPolicy = new LinearRetry((int)HeartbeatInterval.TotalMilliseconds),
            // Without these, each component has a single connection.
            CommandMap = CommandMap.Create(Unused, available: false),
            ConfigurationChannel = "",
            TieBreaker = "",
        });
}
