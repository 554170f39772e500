using StackExchange.Redis;

namespace Shared;

/// <summary>A Redis of its own for a test class, on a free port and in a temporary folder.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private readonly string folder;
    private readonly bool durable;
    private ChildProcess process;
    private Lazy<ConnectionMultiplexer> connection;

    private RedisServer(ChildProcess process, string folder, int port, bool durable)
    {
        this.process = process;
        this.folder = folder;
        this.durable = durable;
        Port = port;
        connection = Connection();
    }

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>An independent look at what is stored.</summary>
    public IDatabase Database => connection.Value.GetDatabase();

    /// <param name="durable">Keeps on disk whatever it has acknowledged.</param>
    public static async Task<RedisServer> StartAsync(bool durable = false)
    {
        var folder = Directory.CreateTempSubdirectory("redis-").FullName;
        var port = FreePort.Take();
        return new RedisServer(await StartAsync(folder, port, durable), folder, port, durable);
    }

    /// <summary>Ends it as a crash would; nothing is kept that is not on disk.</summary>
    public Task KillAsync() => process.KillAsync();

    /// <summary>Starts it again on the same port, with what was on disk or empty.</summary>
    public async Task ComeBackAsync(bool withData)
    {
        if (!withData) Array.ForEach(Directory.GetDirectories(folder), kept => Directory.Delete(kept, recursive: true));
        if (connection.IsValueCreated) connection.Value.Dispose();
        connection = Connection();
        await process.DisposeAsync();
        process = await StartAsync(folder, Port, durable);
    }

    /// <summary>Sends a signal: STOP freezes it with its connections open, CONT lets it go on.</summary>
    public void Signal(string name) => process.Signal(name);

    public async ValueTask DisposeAsync()
    {
        if (connection.IsValueCreated) connection.Value.Dispose();
        await process.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<ChildProcess> StartAsync(string folder, int port, bool durable)
    {
        string[] persistence = durable ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"];
        var process = ChildProcess.Start("redis-server", ["--port", port.ToString(), "--bind", "127.0.0.1", "--dir", folder, "--save", "", .. persistence]);
        await process.LineAsync("Ready to accept connections");
        return process;
    }

    private Lazy<ConnectionMultiplexer> Connection() => new(() => ConnectionMultiplexer.Connect($"{Address},allowAdmin=true"));
}
