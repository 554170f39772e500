using StackExchange.Redis;

namespace StandIns.Daprd;

/// <summary>A Redis of its own for a test class, on a free port and in a temporary folder.</summary>
public sealed class RedisServer : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly string _folder;
    private readonly Lazy<ConnectionMultiplexer> _connection;

    private RedisServer(ChildProcess process, string folder, int port)
    {
        _process = process;
        _folder = folder;
        Port = port;
        _connection = new Lazy<ConnectionMultiplexer>(() => ConnectionMultiplexer.Connect($"127.0.0.1:{port}"));
    }

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>An independent look at what is stored.</summary>
    public IDatabase Database => _connection.Value.GetDatabase();

    public static async Task<RedisServer> StartAsync()
    {
        var folder = Directory.CreateTempSubdirectory("redis-").FullName;
        var port = FreePort.Take();
        var process = ChildProcess.Start("redis-server", ["--port", port.ToString(), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"]);
        await process.LineAsync("Ready to accept connections");
        return new RedisServer(process, folder, port);
    }

    /// <summary>Ends it as a crash would; nothing is kept.</summary>
    public Task KillAsync() => _process.KillAsync();

    public async ValueTask DisposeAsync()
    {
        if (_connection.IsValueCreated) _connection.Value.Dispose();
        await _process.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
