using System.Globalization;
using System.Runtime.CompilerServices;
using Google.Protobuf.WellKnownTypes;
using Saga.Dapr;
using Saga.State;
using Enum = System.Enum;

namespace Saga.Commands;

/// <summary>Validates the fields of a request and collects all violations, so that one answer names them all.</summary>
public sealed class RequestCheck
{
    public const int PageMax = 1000;

    /// <summary>Ids in one request, at most.</summary>
    public const int IdsMax = 100;

    /// <summary>Violations that are collected, at most, and characters of the parts of one: an answer must fit into the trailers of a call.</summary>
    private const int ViolationsMax = 20, FieldMax = 100, DescriptionMax = 250;

    private readonly List<(string Field, string Description)> violations = [];

    /// <summary>The violations so far; only the first ones of a very wrong request.</summary>
    internal IReadOnlyList<(string Field, string Description)> Violations => violations;

    /// <summary>The page size: 0 in a request means 100.</summary>
    public static int GetPageSize(int size) => size == 0 ? 100 : size;

    /// <summary>Ids are part of state keys and events: 1 to 64 letters, digits and - _ . : @.</summary>
    public RequestCheck Id(string field, string value) => Must(
        IsId(value), field, $"must be 1 to 64 characters of A-Z a-z 0-9 - _ . : @, {Seen(value)}.");

    /// <summary>True: <see cref="Id"/> accepts it.</summary>
    public static bool IsId(string? value) => DocumentId.IsValid(value);

    /// <summary>1 to <see cref="IdsMax"/> ids.</summary>
    public RequestCheck Ids(string field, IReadOnlyList<string> values)
    {
        Range(field, values.Count, 1, IdsMax);
        for (var at = 0; at < Math.Min(values.Count, IdsMax); at++) Id($"{field}[{at}]", values[at]);
        return this;
    }

    public RequestCheck OrderId(string value) => Must(
        IsUuid(value), "order_id", $"must be a UUID in its 36-character form, {Seen(value)}.");

    /// <summary>The canonical spelling of an order id: lower case, with hyphens. Another spelling would be another state key, and so another order.</summary>
    internal RequestCheck CanonicalOrderId(string field, string value) => Must(
        DocumentId.IsOfOrder(value), field, $"must be a UUID in 36 lower-case characters, {Seen(value)}.");

    /// <summary>Text of a client. Its length counts code points, not UTF-16 units; control characters and half surrogate pairs are refused.</summary>
    public RequestCheck Text(string field, string value, int min, int max)
    {
        // A body in JSON may have null.
        if (value is null) return Must(false, field, "must be set.");
        Length(field, value, min, max);
        for (var at = 0; at < value.Length; at++)
        {
            if (char.IsControl(value[at])) return Must(false, field, $"must not have control characters, and has U+{(int)value[at]:X4}.");
            if (!char.IsSurrogate(value[at])) continue;
            var isPair = at + 1 < value.Length && char.IsSurrogatePair(value[at], value[at + 1]);
            if (!isPair) return Must(false, field, "must be Unicode, and has half a surrogate pair.");
            at++;
        }
        return this;
    }

    /// <summary>Text of any content. Its length counts code points.</summary>
    internal RequestCheck Length(string field, string value, int min, int max)
    {
        // Most texts are far below the limit, whatever they consist of: a code point is one or two units.
        if (value.Length <= max && value.Length >= 2 * min) return this;
        var length = value.EnumerateRunes().Count();
        return Must(length >= min && length <= max, field, $"must be {min} to {max} characters long, not {length}.");
    }

    /// <summary>A time from year 1 to 9999, as google.protobuf.Timestamp defines it: null is not set.</summary>
    public RequestCheck Time(string field, Timestamp? value, string example) => value is null
        ? Must(false, field, $"must be set, such as {example}.")
        : Must(value.Seconds is >= -62_135_596_800 and <= 253_402_300_799 && value.Nanos is >= 0 and <= 999_999_999,
            field, $"must be a time of the years 1 to 9999, not {value.Seconds} s and {value.Nanos} ns since 1970.");

    /// <summary>The contract has a name for the value, and it is not the unspecified one.</summary>
    internal RequestCheck Known<T>(string field, T value) where T : struct, Enum => Must(
        Enum.IsDefined(value) && Convert.ToInt32(value, CultureInfo.InvariantCulture) != 0, field,
        $"must be one of {string.Join(", ", Enum.GetNames<T>().Skip(1).Select(name => name.ToUpperInvariant()))}, not {value}.");

    public RequestCheck Range(string field, long value, long min, long max) => Must(
        value >= min && value <= max, field, $"must be {min} to {max}, not {value}.");

    /// <summary>page_size and page_token of a list by id.</summary>
    public RequestCheck Page(int size, string token) =>
        token.Length > 0 ? Range("page_size", size, 0, PageMax).Id("page_token", token) : Range("page_size", size, 0, PageMax);

    public RequestCheck IdempotencyKey(string value) => Text("idempotency_key", value, 0, 128);

    public RequestCheck Must(bool holds, string field, string description)
    {
        if (!holds && violations.Count < ViolationsMax) violations.Add((Shortened.To(FieldMax, field), Shortened.To(DescriptionMax, description)));
        return this;
    }

    /// <summary>The description of a field that is valid is not formatted: every event and every request is checked.</summary>
    public RequestCheck Must(bool holds, string field, [InterpolatedStringHandlerArgument(nameof(holds))] ref ViolationDescription description) =>
        holds ? this : Must(false, field, description.Format());

    /// <exception cref="RejectedException">INVALID_ARGUMENT that names the wrong fields.</exception>
    public void ThrowIfInvalid()
    {
        if (violations.Count > 0) throw new RejectedException(Rejection.Invalid(violations));
    }

    /// <summary>A UUID of 36 characters, in any case. Guid.TryParseExact also takes spaces around it, and + and 0x inside.</summary>
    internal static bool IsUuid(string value) =>
        value.Length == 36 && value.All(letter => char.IsAsciiHexDigit(letter) || letter == '-') && Guid.TryParseExact(value, "D", out _);

    private static string Seen(string? value) => value?.Length switch
    {
        null or 0 => "and it is empty",
        > 64 => $"and it has {value.Length}",
        _ => $"not '{value}'",
    };
}
