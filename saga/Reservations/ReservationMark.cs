using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Saga.Commands;

namespace Saga.Reservations;

/// <summary>What one shared document has decided for an order. Only Reserved changes afterwards, to Released or Settled.</summary>
public enum MarkState
{
    /// <summary>The amount is held.</summary>
    Reserved,
    /// <summary>Nothing was held, for a reason that the mark keeps, and a redelivery gets the same answer.</summary>
    Rejected,
    /// <summary>What was held is available again.</summary>
    Released,
    /// <summary>A tombstone: the order failed before anything was held, and nothing will be.</summary>
    Voided,
    /// <summary>What was held is consumed.</summary>
    Settled,
}

/// <summary>An order's mark in a shared document, written together with the amounts that it moves: the decision of that document.</summary>
/// <param name="Amount">What the order moves. 0 unless something was held.</param>
/// <param name="Rejection">Why nothing is held. Null unless rejected.</param>
[JsonConverter(typeof(ReservationMarkConverter))]
public sealed record ReservationMark(MarkState State, long Amount = 0, FailureReason? Rejection = null)
{
    /// <summary>Nothing more will happen to it.</summary>
    public bool IsFinal => State != MarkState.Reserved;
}

/// <summary>
/// Stored as words: <c>Reserved 3</c>, <c>Rejected OUT_OF_STOCK</c> and a sentence, <c>Voided</c>. Before version 2 there was the state alone.
/// </summary>
public sealed class ReservationMarkConverter : JsonConverter<ReservationMark>
{
    public override ReservationMark Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var words = (reader.GetString() ?? "").Split(' ', 3);
        // The parser accepts numbers and combinations too.
        if (!Enum.TryParse<MarkState>(words[0], out var state) || $"{state}" != words[0]) throw new JsonException($"'{words[0]}' is not the state of a mark.");
        if (state == MarkState.Rejected) return words.Length == 3 ? new(state, 0, new(words[1], words[2])) : throw new JsonException("A rejection lacks its reason.");
        if (words.Length == 1) return new(state);
        return words.Length == 2 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out var amount)
            ? new(state, amount)
            : throw new JsonException($"'{string.Join(' ', words[1..])}' is no amount.");
    }

    public override void Write(Utf8JsonWriter writer, ReservationMark value, JsonSerializerOptions options) => writer.WriteStringValue(
        value.Rejection is { } why ? $"{value.State} {why.Reason} {why.Detail}"
        : value.Amount > 0 ? string.Create(CultureInfo.InvariantCulture, $"{value.State} {value.Amount}")
        : $"{value.State}");
}
