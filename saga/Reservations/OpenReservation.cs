using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Saga.Dapr;
using Saga.State;

namespace Saga.Reservations;

/// <summary>A reservation that may not be final, as it is tracked in the log of open orders: what it takes to settle or release it.</summary>
/// <param name="Since">When its order-created was handled first by the process that tracks it.</param>
/// <param name="TraceId">The trace of its order, 32 hex digits. Null: it was not traced.</param>
internal sealed record OpenReservation(string OrderId, ImmutableArray<ReservationLine> Lines, DateTimeOffset Since, string? TraceId = null)
{
    /// <param name="orderId">The order of the entry that has the detail. Null: the detail alone says which order it is of.</param>
    /// <exception cref="CorruptDocumentException">It is not an open reservation of that order.</exception>
    public static OpenReservation Parse(JsonElement? detail, string? orderId = null)
    {
        OpenReservation? open;
        try
        {
            open = detail?.Deserialize(OpenReservationJsonContext.Default.OpenReservation);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException)
        {
            throw Corrupt(unreadable.Message);
        }
        if (open is null) throw Corrupt("it is missing");
        return open.FindProblem(orderId) is { } problem ? throw Corrupt(problem) : open;

        // It may not be UTF-8.
        CorruptDocumentException Corrupt(string why) => new(
            $"The tracked reservation is corrupt: {why}: {(detail is { } some ? Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8Value(some)) : "")}");
    }

    private string? FindProblem(string? orderId) =>
        orderId is not null && OrderId != orderId ? $"it is of order '{OrderId}', and its entry of order '{orderId}'"
        : !DocumentId.IsOfOrder(OrderId) ? $"'{OrderId}' is no order id"
        : Since == default ? "it lacks its time"
        : !DocumentId.IsTrace(TraceId) ? $"'{TraceId}' in it is no trace"
        : Reservation.FindProblem(Lines);

    internal JsonElement ToDetail() => JsonSerializer.SerializeToElement(this, OpenReservationJsonContext.Default.OpenReservation);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(OpenReservation))]
internal sealed partial class OpenReservationJsonContext : JsonSerializerContext;
