using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Shop;

namespace Integration;

/// <summary>A process that is frozen: its connections are accepted, and nothing is ever answered.</summary>
public sealed class FrozenServiceTests
{
    /// <summary>Longer than the keep-alive of the clients takes to notice: 30 s.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task A_stream_of_a_frozen_service_ends()
    {
        using var frozen = new TcpListener(IPAddress.Loopback, 0);
        frozen.Start();
        var address = $"http://127.0.0.1:{((IPEndPoint)frozen.LocalEndpoint).Port}";
        var clients = new ShopClients(address, address, address, address);
        using var watch = clients.Orders.WatchOrder(new() { Order = "any" });
        await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(default).WaitAsync(Limit));
    }
}
