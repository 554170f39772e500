namespace Saga.Commands;

/// <summary>Why a step failed.</summary>
/// <param name="Reason">UPPER_SNAKE_CASE, for programs: 1 to 64 characters of A-Z 0-9 _.</param>
/// <param name="Detail">A sentence, for people: at most 1,000 characters.</param>
public sealed record FailureReason(string Reason, string Detail)
{
    /// <summary>The answer to an order-created that arrived after its order-failed: nothing was reserved, and nothing will be.</summary>
    public static readonly FailureReason OrderAlreadyFailed = new("ORDER_ALREADY_FAILED", "The order had failed before this part of it was done.");

    private const int ReasonMax = 64;

    /// <summary>Characters of <see cref="Detail"/>, at most.</summary>
    internal const int DetailMax = 1_000;

    /// <summary>Other services take no other in an event.</summary>
    internal static bool IsReason(string? reason) =>
        reason is { Length: >= 1 and <= ReasonMax } && reason.All(letter => char.IsAsciiLetterUpper(letter) || char.IsAsciiDigit(letter) || letter == '_');

    /// <returns>What is wrong, as the rest of a sentence. Null: nothing.</returns>
    internal string? FindProblem() =>
        !IsReason(Reason) ? $"'{Reason}' is no reason: it must be 1 to {ReasonMax} characters of A-Z 0-9 _"
        : Detail is null || Detail.EnumerateRunes().Count() > DetailMax ? $"the detail of {Reason} must be at most {DetailMax:N0} characters"
        : null;
}
