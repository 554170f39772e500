using System.Net.Sockets;

namespace Conformance;

/// <summary>A Redis after a restart: answers the first commands with LOADING, then with empty replies.</summary>
internal sealed class LoadingRedis : IDisposable
{
    private readonly Listener listener;
    private int left;

    /// <param name="commands">The number of commands answered with LOADING.</param>
    public LoadingRedis(int commands)
    {
        left = commands;
        listener = new(AnswerAsync);
    }

    public string Address => listener.Address;

    /// <summary>The number of further commands answered with LOADING.</summary>
    public int Left => Math.Max(0, left);

    public void Dispose() => listener.Dispose();

    /// <summary>One reply per read: the client sends one command at a time.</summary>
    private async Task AnswerAsync(TcpClient client)
    {
        using var connection = client;
        var stream = connection.GetStream();
        var command = new byte[4096];
        while (await stream.ReadAsync(command) > 0)
        {
            await stream.WriteAsync(Interlocked.Decrement(ref left) >= 0
                ? "-LOADING Redis is loading the dataset in memory\r\n"u8.ToArray()
                : "*0\r\n"u8.ToArray());
        }
    }
}
