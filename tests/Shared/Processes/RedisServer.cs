using StackExchange.Redis;

namespace Shared;

/// <summary>A Redis server for one test or test class, on a free port and in a temporary folder.</summary>
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

    /// <summary>Direct access to the data.</summary>
    public IDatabase Database => connection.Value.GetDatabase();

    /// <param name="durable">Writes every acknowledged command to disk.</param>
    public static async Task<RedisServer> StartAsync(bool durable = false)
    {
        var folder = Directory.CreateTempSubdirectory("redis-").FullName;
        var port = FreePort.Take();
        return new RedisServer(await StartAsync(folder, port, durable), folder, port, durable);
    }

    /// <summary>Kills the server like a crash; only data on disk is kept.</summary>
    public Task KillAsync() => process.KillAsync();

    /// <summary>Restarts the server on the same port, with the data on disk or empty.</summary>
    public async Task ComeBackAsync(bool withData)
    {
        if (!withData) Array.ForEach(Directory.GetDirectories(folder), kept => Directory.Delete(kept, recursive: true));
        if (connection.IsValueCreated) connection.Value.Dispose();
        connection = Connection();
        await process.DisposeAsync();
        process = await StartAsync(folder, Port, durable);
    }

    /// <summary>Sends a signal: STOP freezes the server with open connections, CONT resumes it.</summary>
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

    private Lazy<ConnectionMultiplexer> Connection() => new(() => ConnectionMultiplexer.Connect($"{Address},allowAdmin=true,connectTimeout=60000,syncTimeout=60000,asyncTimeout=60000"));
}
