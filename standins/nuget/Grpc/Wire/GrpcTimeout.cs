using System.Globalization;

namespace Grpc.Wire;

/// <summary>The <c>grpc-timeout</c> header: at most eight digits and a unit.</summary>
internal static class GrpcTimeout
{
    public const string Header = "grpc-timeout";

    private const long MaxValue = 99_999_999;

    private static readonly (char Unit, long Ticks)[] Units =
    [
        ('m', TimeSpan.TicksPerMillisecond),
        ('S', TimeSpan.TicksPerSecond),
        ('M', TimeSpan.TicksPerMinute),
        ('H', TimeSpan.TicksPerHour),
        ('u', TimeSpan.TicksPerMicrosecond),
    ];

    /// <summary>In the finest of milliseconds, seconds, minutes and hours that eight digits can hold, rounded up.</summary>
    public static string Format(TimeSpan timeout)
    {
        foreach (var (unit, ticks) in Units)
        {
            var value = (timeout.Ticks + ticks - 1) / ticks;
            if (value <= MaxValue)
            {
                return value.ToString(CultureInfo.InvariantCulture) + unit;
            }
        }

        return "99999999H";
    }

    /// <returns>False when the text is no timeout; such a header is ignored.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > 9 || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        if (text[^1] == 'n')
        {
            timeout = new TimeSpan(value / TimeSpan.NanosecondsPerTick);
            return true;
        }

        foreach (var (unit, ticks) in Units)
        {
            if (unit == text[^1])
            {
                timeout = new TimeSpan(value * ticks);
                return true;
            }
        }

        return false;
    }
}
