using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Saga.Dapr;
using Saga.OpenOrders;

namespace Saga.Reservations;

/// <summary>A reservation that may not be final, as it is tracked in the log of open orders: what it takes to settle or release it.</summary>
/// <param name="Since">When its order-created was handled first by the process that tracks it.</param>
/// <param name="TraceId">The trace of its order, 32 hex digits. Null: it was not traced.</param>
internal sealed record OpenReservation(string OrderId, ImmutableArray<ReservationLine> Lines, DateTimeOffset Since, string? TraceId = null)
{
    /// <exception cref="CorruptDocumentException">It is not an open reservation.</exception>
    public static OpenReservation Parse(JsonElement? detail)
    {
        try
        {
            var open = detail?.Deserialize(OpenReservationJsonContext.Default.OpenReservation);
            return open is { OrderId: not null } && Reservation.FindProblem(open.Lines) is null
                ? open
                : throw new CorruptDocumentException($"The tracked reservation is corrupt: {detail}");
        }
        catch (JsonException unreadable)
        {
            throw new CorruptDocumentException($"The tracked reservation is corrupt, {unreadable.Message}: {detail}");
        }
    }

    internal JsonElement ToDetail() => JsonSerializer.SerializeToElement(this, OpenReservationJsonContext.Default.OpenReservation);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(OpenReservation))]
internal sealed partial class OpenReservationJsonContext : JsonSerializerContext;
