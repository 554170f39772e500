using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Conformance;

/// <summary>A proxy to Redis that breaks a connection on request, after a command has reached Redis and before its reply is forwarded.</summary>
internal sealed class BreakingProxy : IDisposable
{
    private readonly Listener listener;
    private readonly int redisPort;
    private readonly Lock gate = new();
    private string command = "";
    private int times;

    public BreakingProxy(RedisServer redis)
    {
        redisPort = redis.Port;
        listener = new(CarryAsync);
    }

    public string Address => listener.Address;

    /// <summary>Whether all requested breaks have happened.</summary>
    public bool IsDone => Volatile.Read(ref times) == 0;

    /// <summary>Breaks the connection at the next <paramref name="times"/> commands of this name and drops their replies.</summary>
    public void DropReplyTo(string command, int times = 1)
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
                if (ShouldBreak(Encoding.ASCII.GetString(bytes, 0, count))) Volatile.Write(ref breaks, true);
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

    private bool ShouldBreak(string sent)
    {
        lock (gate)
        {
            if (times == 0 || !sent.Contains(command, StringComparison.OrdinalIgnoreCase)) return false;
            times--;
            return true;
        }
    }
}
