using System.Net;
using System.Net.Sockets;
using System.Text;

namespace StandIns.Daprd;

/// <summary>A line to a Redis that breaks when it is told to: after a command has arrived there, and before its answer is back.</summary>
internal sealed class BreakingLine : IDisposable
{
    private readonly Listener _listener;
    private readonly int _redisPort;
    private string? _command;

    public BreakingLine(RedisServer redis)
    {
        _redisPort = redis.Port;
        _listener = new(CarryAsync);
    }

    public string Address => _listener.Address;

    /// <summary>Whether no break is to come any more.</summary>
    public bool IsWhole => Volatile.Read(ref _command) is null;

    /// <summary>Once: the answer to the next such command is lost, and the connection with it.</summary>
    public void LoseAnswerTo(string command) => Volatile.Write(ref _command, command);

    public void Dispose() => _listener.Dispose();

    private async Task CarryAsync(TcpClient client)
    {
        using var near = client;
        using var far = new TcpClient();
        await far.ConnectAsync(IPAddress.Loopback, _redisPort);
        var breaks = false;
        await Task.WhenAny(ForthAsync(), BackAsync());

        async Task ForthAsync()
        {
            var bytes = new byte[65_536];
            for (int count; (count = await near.GetStream().ReadAsync(bytes)) > 0;)
            {
                if (Volatile.Read(ref _command) is { } command && Encoding.ASCII.GetString(bytes, 0, count).Contains(command, StringComparison.OrdinalIgnoreCase))
                {
                    Volatile.Write(ref breaks, true);
                    Volatile.Write(ref _command, null);
                }
                await far.GetStream().WriteAsync(bytes.AsMemory(0, count));
            }
        }

        async Task BackAsync()
        {
            var bytes = new byte[65_536];
            for (int count; (count = await far.GetStream().ReadAsync(bytes)) > 0;)
            {
                if (Volatile.Read(ref breaks)) return;
                await near.GetStream().WriteAsync(bytes.AsMemory(0, count));
            }
        }
    }
}
