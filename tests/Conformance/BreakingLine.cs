using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Conformance;

/// <summary>A line to a Redis that breaks when it is told to: after a command has arrived there, and before its answer is back.</summary>
internal sealed class BreakingLine : IDisposable
{
    private readonly Listener listener;
    private readonly int redisPort;
    private readonly Lock gate = new();
    private string command = "";
    private int times;

    public BreakingLine(RedisServer redis)
    {
        redisPort = redis.Port;
        listener = new(CarryAsync);
    }

    public string Address => listener.Address;

    /// <summary>Whether no break is to come any more.</summary>
    public bool IsWhole => Volatile.Read(ref times) == 0;

    /// <summary>The answers to the next such commands are lost, and each time the connection with them.</summary>
    public void LoseAnswerTo(string command, int times = 1)
    {
        lock (gate) (this.command, this.times) = (command, times);
    }

    public void Dispose() => listener.Dispose();

    private async Task CarryAsync(TcpClient client)
    {
        using var near = client;
        using var far = new TcpClient();
        await far.ConnectAsync(IPAddress.Loopback, redisPort);
        var breaks = false;
        await Task.WhenAny(ForthAsync(), BackAsync());

        async Task ForthAsync()
        {
            var bytes = new byte[65_536];
            for (int count; (count = await near.GetStream().ReadAsync(bytes)) > 0;)
            {
                if (IsToBreak(Encoding.ASCII.GetString(bytes, 0, count))) Volatile.Write(ref breaks, true);
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

    private bool IsToBreak(string sent)
    {
        lock (gate)
        {
            if (times == 0 || !sent.Contains(command, StringComparison.OrdinalIgnoreCase)) return false;
            times--;
            return true;
        }
    }
}
