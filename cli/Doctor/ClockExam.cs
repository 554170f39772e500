using System.Globalization;

namespace Shop.Doctor;

/// <summary>How far another clock is from this machine's.</summary>
internal static class ClockExam
{
    /// <summary>A clock that is off by less is right: an HTTP date has whole seconds, and may be a second old.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(3);

    /// <param name="ahead">Negative: behind.</param>
    public static Diagnosis Of(string of, TimeSpan ahead) => ahead.Duration() <= Tolerance
        ? Diagnosis.Ok(of, "clock", "as on this machine")
        : Diagnosis.Warning(of, "clock", $"{Seconds(ahead.Duration())} s {(ahead > TimeSpan.Zero ? "ahead of" : "behind")} this machine",
            "Let both be set from the network (timedatectl set-ntp true): deadlines and ages are off by as much. Nothing is lost by it.");

    /// <summary>Null: the answer has no date.</summary>
    public static TimeSpan? Ahead(string? date, DateTime now) =>
        DateTimeOffset.TryParse(date, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var said)
            ? said.UtcDateTime - now
            : null;

    private static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
}
