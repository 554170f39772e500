namespace Saga.State;

/// <summary>The forms of ids: an id is part of state keys and events.</summary>
internal static class DocumentId
{
    /// <summary>1 to 64 letters, digits and - _ . : @.</summary>
    public static bool IsValid(string? id) =>
        id is { Length: >= 1 and <= 64 } && id.All(letter => char.IsAsciiLetterOrDigit(letter) || "-_.:@".Contains(letter));

    /// <summary>The id of a trace: 32 lower-case hex digits. Null, where nothing was traced, is valid too.</summary>
    public static bool IsTrace(string? id) => id is null || id.Length == 32 && id.All(char.IsAsciiHexDigitLower);

    /// <summary>A UUID in 36 lower-case characters. Another spelling would be another state key, and so another order.</summary>
    public static bool IsOfOrder(string? id) => Guid.TryParseExact(id, "D", out var parsed) && parsed.ToString() == id;
}
