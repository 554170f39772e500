using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Shop;

/// <summary>Options and arguments that are whole numbers. A wrong one is named, with what is allowed and an example.</summary>
internal static class Numbers
{
    private const int ShownMax = 40;

    /// <summary>An option from <paramref name="min"/> to <paramref name="max"/>; null when it is not given.</summary>
    public static Option<long?> Option(string name, long min, long max, long example, string description) => new(name)
    {
        Description = $"{description} {min} to {max}.",
        CustomParser = result => Parse(result, name, min, max, example),
    };

    /// <summary>An argument from <paramref name="min"/> to <paramref name="max"/>, and not 0.</summary>
    public static Argument<long> Argument(string name, long min, long max, long example, string description) => new(name)
    {
        Description = $"{description} {min} to {max}.",
        CustomParser = result => Parse(result, name, min, max, example, zero: false) ?? 0,
    };

    /// <summary>The text of a value, for an error message.</summary>
    public static string Quote(string value) => value.Length > ShownMax ? $"'{value[..ShownMax]}...'" : $"'{value}'";

    private static long? Parse(ArgumentResult result, string name, long min, long max, long example, bool zero = true)
    {
        if (result.Tokens is not [var token]) return null;
        if (long.TryParse(token.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            && number >= min && number <= max && (zero || number != 0)) return number;
        var range = !zero && min < 0 ? $"{min} to {max} and not 0" : $"{min} to {max}";
        result.AddError($"{name} must be {range}, a whole number such as {example}, not {Quote(token.Value)}.");
        return null;
    }
}
