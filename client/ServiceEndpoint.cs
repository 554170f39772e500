using Grpc.Net.Client;

namespace Shop;

/// <summary>A service and its gRPC address.</summary>
/// <param name="Name">"Orders", "Stock", "Payments", "Coupons", or that of an added participant.</param>
/// <param name="Address">Absolute URI, such as http://localhost:5001.</param>
/// <param name="Channel">Open for the lifetime of <see cref="ShopClients"/>; calls on it have no default deadline.</param>
public sealed record ServiceEndpoint(string Name, string Address, GrpcChannel Channel)
{
    /// <summary>Its Dapr app id: the name in lower case.</summary>
    public string AppId => Name.ToLowerInvariant();
}
