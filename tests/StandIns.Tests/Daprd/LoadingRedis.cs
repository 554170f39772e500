using System.Net;
using System.Net.Sockets;

namespace StandIns.Daprd;

/// <summary>A Redis that has just come back: to the first commands it says LOADING, and then it is empty.</summary>
internal sealed class LoadingRedis : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private int _left;

    /// <param name="commands">How many are answered LOADING.</param>
    public LoadingRedis(int commands)
    {
        _left = commands;
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Address => _listener.LocalEndpoint.ToString()!;

    /// <summary>How many more will be answered LOADING.</summary>
    public int Left => Math.Max(0, _left);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        while (true)
        {
            try
            {
                _ = AnswerAsync(await _listener.AcceptTcpClientAsync());
            }
            catch (Exception closed) when (closed is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    /// <summary>One answer for each read: whoever asks here waits for it before asking again.</summary>
    private async Task AnswerAsync(TcpClient client)
    {
        using var connection = client;
        var stream = connection.GetStream();
        var command = new byte[4096];
        while (await stream.ReadAsync(command) > 0)
        {
            await stream.WriteAsync(Interlocked.Decrement(ref _left) >= 0 ? "-LOADING Redis is loading the dataset in memory\r\n"u8.ToArray() : "*0\r\n"u8.ToArray());
        }
    }
}
