using System.Globalization;

namespace Daprd.Resiliency;

/// <summary>What a circuit breaker has counted since it last changed its state, or since its interval began.</summary>
internal readonly record struct BreakerCounts(long Requests, long TotalSuccesses, long TotalFailures, long ConsecutiveSuccesses, long ConsecutiveFailures)
{
    public BreakerCounts After(bool success) => success
        ? this with { TotalSuccesses = TotalSuccesses + 1, ConsecutiveSuccesses = ConsecutiveSuccesses + 1, ConsecutiveFailures = 0 }
        : this with { TotalFailures = TotalFailures + 1, ConsecutiveFailures = ConsecutiveFailures + 1, ConsecutiveSuccesses = 0 };
}

/// <summary>
/// When a failure opens a breaker. Of CEL it knows comparisons of a count with a whole number, joined by <c>&amp;&amp;</c> and <c>||</c>
/// without parentheses.
/// </summary>
internal sealed class Trip
{
    public static readonly Trip Default = new([[c => c.ConsecutiveFailures > 5]]);

    private readonly List<List<Func<BreakerCounts, bool>>> _anyOfAll;

    private Trip(List<List<Func<BreakerCounts, bool>>> anyOfAll) => _anyOfAll = anyOfAll;

    public bool IsMet(BreakerCounts counts) => _anyOfAll.Any(all => all.All(condition => condition(counts)));

    /// <summary>Throws <see cref="FormatException"/> when the expression is more than this stand-in knows.</summary>
    public static Trip Parse(string expression) =>
        new([.. expression.Split("||").Select(any => any.Split("&&").Select(Comparison).ToList())]);

    private static Func<BreakerCounts, bool> Comparison(string text)
    {
        var start = text.AsSpan().IndexOfAny("<>=!");
        if (start < 0) throw Unknown(text);
        var comparator = text[start..(text.AsSpan().LastIndexOfAny("<>=!") + 1)];
        var parts = text.Split(comparator);
        if (parts.Length != 2 || !long.TryParse(parts[1], NumberStyles.Integer, CultureInfo.InvariantCulture, out var number))
        {
            throw Unknown(text);
        }

        var count = Count(parts[0].Trim()) ?? throw Unknown(text);
        return comparator switch
        {
            ">" => c => count(c) > number,
            ">=" => c => count(c) >= number,
            "<" => c => count(c) < number,
            "<=" => c => count(c) <= number,
            "==" => c => count(c) == number,
            "!=" => c => count(c) != number,
            _ => throw Unknown(text),
        };
    }

    private static Func<BreakerCounts, long>? Count(string name) => name switch
    {
        "requests" => c => c.Requests,
        "totalSuccesses" => c => c.TotalSuccesses,
        "totalFailures" => c => c.TotalFailures,
        "consecutiveSuccesses" => c => c.ConsecutiveSuccesses,
        "consecutiveFailures" => c => c.ConsecutiveFailures,
        _ => null,
    };

    private static FormatException Unknown(string text) =>
        new($"'{text.Trim()}' is not a comparison that this stand-in understands, such as 'consecutiveFailures > 5' or 'requests >= 10'");
}
