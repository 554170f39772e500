using System.Net;
using System.Net.Sockets;

namespace Shared;

/// <summary>
/// Free ports for processes of tests and benchmarks, below the ephemeral port range: an outgoing connection could otherwise take the port
/// before the process listens or while it is down.
/// </summary>
internal static class FreePort
{
    private const int First = 20_000, End = 32_768;

    private static int next = Random.Shared.Next(First, End);

    /// <summary>Returns a port without a listener, a different one for each call.</summary>
    public static int Take()
    {
        while (true)
        {
            var port = First + (Interlocked.Increment(ref next) - First) % (End - First);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // In use.
            }
        }
    }
}
