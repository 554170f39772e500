using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>Everything that clients can read of a shop, which may be processing orders meanwhile.</summary>
/// <remarks>
/// The catalog is read twice, before and after the orders. Quantities sold and amounts spent only grow, so the sums over the orders lie between
/// the two. A service that does not answer is left out and is listed in <see cref="Unavailable"/>.
/// </remarks>
/// <param name="StartTime">When reading began, UTC.</param>
/// <param name="Before">The catalog, read before the orders.</param>
/// <param name="Orders">All orders, each once.</param>
/// <param name="CompleteSince">UTC. Orders closed before this time have expired. Null: none has.</param>
/// <param name="After">The catalog, read after the orders.</param>
public sealed record ShopSnapshot(DateTime StartTime, Catalog Before, IReadOnlyList<OrderRecords> Orders, DateTime? CompleteSince, Catalog After)
{
    /// <summary>Dead letters that wait for an operator, oldest first.</summary>
    public IReadOnlyList<DeadLetter> DeadLetters { get; init; } = [];

    /// <summary>Services that could not be read, by name such as "Stock", with the error.</summary>
    public IReadOnlyDictionary<string, string> Unavailable { get; init; } = new Dictionary<string, string>();

    /// <summary>Documents that a service left out because it cannot read them, by subject such as "product lamp", with the name of the service.</summary>
    public IReadOnlyDictionary<string, string> Unreadable { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether the service was read.</summary>
    /// <param name="service">Such as "Stock".</param>
    public bool Has(string service) => !Unavailable.ContainsKey(service);

    /// <summary>Whether the document was read, or does not exist.</summary>
    /// <param name="subject">Such as "product lamp".</param>
    public bool CanRead(string subject) => !Unreadable.ContainsKey(subject);

    /// <summary>Reads the shop.</summary>
    /// <param name="previous">An earlier snapshot: records that were final in it are not read again. Null: none.</param>
    /// <param name="progress">Called after each page with the number of orders read so far.</param>
    /// <param name="cancellationToken">Ends reading with an <see cref="RpcException"/> or <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="RpcException">No service answers.</exception>
    public static Task<ShopSnapshot> ReadAsync(ShopClients shop, ShopSnapshot? previous, Action<int> progress, CancellationToken cancellationToken) =>
        new SnapshotReader(shop, previous, progress, cancellationToken).ReadAsync();
}
