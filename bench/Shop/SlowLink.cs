using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Bench;

/// <summary>A TCP port in front of a service, which can delay what is sent to it. A delay costs no throughput.</summary>
internal sealed class SlowLink : IDisposable
{
    private readonly TcpListener listener;
    private readonly CancellationTokenSource stopping = new();
    private readonly int target;
    private long delayTicks;

    /// <param name="port">On which it listens.</param>
    /// <param name="target">The port of the service.</param>
    public SlowLink(int port, int target)
    {
        this.target = target;
        listener = new(IPAddress.Loopback, port);
        listener.Start();
        _ = AcceptAllAsync();
    }

    /// <summary>Of everything that is sent to the service from now on.</summary>
    public TimeSpan Delay
    {
        get => new(Interlocked.Read(ref delayTicks));
        set => Interlocked.Exchange(ref delayTicks, value.Ticks);
    }

    public void Dispose()
    {
        stopping.Cancel();
        listener.Dispose();
        stopping.Dispose();
    }

    private async Task AcceptAllAsync()
    {
        try
        {
            while (true) _ = ForwardAsync(await listener.AcceptTcpClientAsync(stopping.Token));
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task ForwardAsync(TcpClient caller)
    {
        using var service = new TcpClient();
        using (caller)
        {
            try
            {
                await service.ConnectAsync(IPAddress.Loopback, target, stopping.Token);
                (caller.NoDelay, service.NoDelay) = (true, true);
                await Task.WhenAny(DelayedAsync(caller.GetStream(), service.GetStream()), service.GetStream().CopyToAsync(caller.GetStream(), stopping.Token));
            }
            catch (Exception closed) when (closed is IOException or SocketException or OperationCanceledException)
            {
                // The caller sees a closed connection.
            }
        }
    }

    private async Task DelayedAsync(NetworkStream from, NetworkStream to)
    {
        var sent = Channel.CreateUnbounded<(DateTimeOffset Due, byte[] Bytes)>();
        var reading = ReadAsync();
        await foreach (var (due, bytes) in sent.Reader.ReadAllAsync(stopping.Token))
        {
            if (due - TimeProvider.System.GetUtcNow() is { Ticks: > 0 } left) await Task.Delay(left, stopping.Token);
            await to.WriteAsync(bytes, stopping.Token);
        }
        await reading;

        async Task ReadAsync()
        {
            var buffer = new byte[64 * 1024];
            try
            {
                while (await from.ReadAsync(buffer, stopping.Token) is > 0 and var count)
                {
                    sent.Writer.TryWrite((TimeProvider.System.GetUtcNow() + Delay, buffer[..count]));
                }
            }
            finally
            {
                sent.Writer.Complete();
            }
        }
    }
}
