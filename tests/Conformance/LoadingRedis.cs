using System.Net.Sockets;

namespace Conformance;

/// <summary>A Redis that has just come back: to the first commands it says LOADING, and then it is empty.</summary>
internal sealed class LoadingRedis : IDisposable
{
    private readonly Listener listener;
    private int left;

    /// <param name="commands">How many are answered LOADING.</param>
    public LoadingRedis(int commands)
    {
        left = commands;
        listener = new(AnswerAsync);
    }

    public string Address => listener.Address;

    /// <summary>How many more will be answered LOADING.</summary>
    public int Left => Math.Max(0, left);

    public void Dispose() => listener.Dispose();

    /// <summary>One answer for each read: whoever asks here waits for it before asking again.</summary>
    private async Task AnswerAsync(TcpClient client)
    {
        using var connection = client;
        var stream = connection.GetStream();
        var command = new byte[4096];
        while (await stream.ReadAsync(command) > 0)
        {
            await stream.WriteAsync(Interlocked.Decrement(ref left) >= 0 ? "-LOADING Redis is loading the dataset in memory\r\n"u8.ToArray() : "*0\r\n"u8.ToArray());
        }
    }
}
