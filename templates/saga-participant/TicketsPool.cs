using System.Text.Json.Serialization;
using Saga.Reservations;

namespace Tickets;

/// <summary>What orders compete for, as it is stored. Here one document; usually there is one for each thing that an order can name.</summary>
internal sealed record TicketsPool(Holdings Holdings) : IHasHoldings<TicketsPool>
{
    public const string Id = "all";

    public static string KeyOf(string id) => $"pool:{id}";

    public TicketsPool With(Holdings holdings) => this with { Holdings = holdings };
}

[JsonSerializable(typeof(TicketsPool))]
internal sealed partial class TicketsJson : JsonSerializerContext;
