using System.Globalization;

namespace Daprd.Json;

/// <summary>Formats numbers as Go's JSON encoder formats a float64: plain digits from 1e-6 to 1e21, an exponent otherwise.</summary>
internal static class GoNumber
{
    /// <summary>Throws <see cref="OverflowException"/> for a number outside the range of float64.</summary>
    public static string OfFloat64(string text) => Format(Parse(text));

    private static double Parse(string text)
    {
        var value = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return double.IsFinite(value) ? value : throw new OverflowException($"{text} does not fit a float64");
    }

    private static string Format(double value)
    {
        if (value == 0) return double.IsNegative(value) ? "-0" : "0";
        // "R" gives the shortest digits that round-trip, with or without an exponent.
        var parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        var point = parts[0].IndexOf('.') is var found && found < 0 ? parts[0].Length : found;
        var all = parts[0].Replace(".", "");
        var digits = all.TrimStart('0');
        var exponent = point - 1 - (all.Length - digits.Length) + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        return (value < 0 ? "-" : "") + Layout(digits.TrimEnd('0'), exponent);
    }

    private static string Layout(string digits, int exponent) => exponent switch
    {
        < -6 or >= 21 => digits[..1] + (digits.Length > 1 ? "." + digits[1..] : "") + (exponent < 0 ? "e-" : "e+") + Math.Abs(exponent),
        < 0 => "0." + new string('0', -exponent - 1) + digits,
        _ when digits.Length <= exponent + 1 => digits.PadRight(exponent + 1, '0'),
        _ => digits[..(exponent + 1)] + "." + digits[(exponent + 1)..],
    };
}
