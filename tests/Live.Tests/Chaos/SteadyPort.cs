using System.Net;
using System.Net.Sockets;

namespace Live.Chaos;

/// <summary>
/// Ports for processes that come back to them. They lie below those that the system gives to outgoing connections, so that nobody
/// takes one while its process is down, nor connects to itself there.
/// </summary>
internal static class SteadyPort
{
    private const int First = 20_000, End = 32_768;

    private static int next = Random.Shared.Next(First, End);

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
