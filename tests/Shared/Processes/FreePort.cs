using System.Net;
using System.Net.Sockets;

namespace Shared;

/// <summary>
/// Ports for processes that a test or a bench starts. They lie below those that the system gives to outgoing connections: one of those could
/// take a port between now and the moment its process listens, or while the process is down.
/// </summary>
internal static class FreePort
{
    private const int First = 20_000, End = 32_768;

    private static int next = Random.Shared.Next(First, End);

    /// <summary>A port that nobody listens on, another one at each call.</summary>
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
                // Somebody else's.
            }
        }
    }
}
