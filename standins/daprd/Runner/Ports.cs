using System.Net;
using System.Net.Sockets;
using Daprd.Files;

namespace Daprd.Runner;

/// <summary>The ports of a run: configured ports must be free, the others are assigned.</summary>
internal static class Ports
{
    /// <summary>Returns the apps with all ports assigned. Throws <see cref="ConfigurationException"/> if a configured port is taken.</summary>
    public static List<RunApp> Assign(IReadOnlyList<RunApp> apps)
    {
        var used = new Dictionary<int, string>();
        foreach (var app in apps)
        {
            Claim(app, app.AppPort, "appPort", used);
            Claim(app, app.GrpcPort, "daprGRPCPort", used);
            Claim(app, app.HttpPort, "daprHTTPPort", used);
        }

        return [.. apps.Select(app => app with
        {
            GrpcPort = app.GrpcPort != 0 ? app.GrpcPort : Free(used),
            HttpPort = app.HttpPort != 0 ? app.HttpPort : Free(used),
        })];
    }

    private static void Claim(RunApp app, int port, string field, Dictionary<int, string> used)
    {
        if (port == 0) return;
        if (port is < 0 or > 65535) throw app.Source.Error($"the {field} of {app.AppId} must be 1 to 65535, not {port}");
        if (used.TryGetValue(port, out var other))
        {
            throw app.Source.Error($"port {port} is the {field} of {app.AppId} and the {other}; give one of them another port");
        }
        used[port] = $"{field} of {app.AppId}";
        if (!IsFree(port))
        {
            throw new ConfigurationException($"Port {port}, the {field} of {app.AppId}, is already taken; "
                + $"end the process that has it, or choose another {field} in the run file.");
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port) { ExclusiveAddressUse = true };
            listener.Start();
            return !IsAnswered(port);
        }
        catch (SocketException)
        {
            return false;
        }

        // Another process may listen on IPv6 addresses only.
        static bool IsAnswered(int port)
        {
            if (!Socket.OSSupportsIPv6) return false;
            using var listener = new TcpListener(IPAddress.IPv6Loopback, port) { ExclusiveAddressUse = true };
            try
            {
                listener.Start();
            }
            catch (SocketException none) when (none.SocketErrorCode is SocketError.AddressNotAvailable or SocketError.AddressFamilyNotSupported)
            {
                // The loopback has no IPv6 address.
            }
            return false;
        }
    }

    private static int Free(Dictionary<int, string> used)
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var port = ((IPEndPoint)listener.LocalEndpoint).Port;
            if (used.TryAdd(port, "a free port")) return port;
        }
    }
}
