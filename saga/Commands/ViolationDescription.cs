using System.Globalization;
using System.Runtime.CompilerServices;

namespace Saga.Commands;

/// <summary>What is wrong with a field: an interpolated string that is formatted only if something is. The compiler calls its members.</summary>
[InterpolatedStringHandler]
public ref struct ViolationDescription
{
    private DefaultInterpolatedStringHandler text;

    /// <param name="literalLength">Letters outside of the holes.</param>
    /// <param name="formattedCount">Number of holes.</param>
    /// <param name="holds">True: nothing is wrong.</param>
    /// <param name="isWrong">False: the holes are not evaluated.</param>
    public ViolationDescription(int literalLength, int formattedCount, bool holds, out bool isWrong)
    {
        isWrong = !holds;
        if (isWrong) text = new(literalLength, formattedCount, CultureInfo.InvariantCulture);
    }

    public void AppendLiteral(string value) => text.AppendLiteral(value);

    public void AppendFormatted<T>(T value, string? format = null) => text.AppendFormatted(value, format);

    /// <summary>The text, once.</summary>
    internal string Format() => text.ToStringAndClear();
}
