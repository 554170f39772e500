using System.Globalization;

namespace Shop.Doctor;

/// <summary>Compares the clock of a service or Redis with the clock of this machine.</summary>
internal static class ClockCheck
{
    /// <summary>An HTTP date has a resolution of one second and may be a second old.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(3);

    /// <param name="offset">Of the other clock. Negative: it is behind.</param>
    public static CheckResult Evaluate(string subject, TimeSpan offset) => offset.Duration() <= Tolerance
        ? CheckResult.Ok(subject, "clock", "as on this machine")
        : CheckResult.Warning(subject, "clock", $"{FormatSeconds(offset.Duration())} s {(offset > TimeSpan.Zero ? "ahead of" : "behind")} this machine",
            "Synchronize both clocks (timedatectl set-ntp true): deadlines and ages are off by as much. No order is lost by it.");

    /// <param name="date">The header date of an answer.</param>
    /// <returns>Null: there is no date.</returns>
    public static TimeSpan? GetOffset(string? date, DateTime now) =>
        DateTimeOffset.TryParse(date, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time.UtcDateTime - now
            : null;

    private static string FormatSeconds(TimeSpan time) => time.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
}
