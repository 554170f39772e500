namespace Shop;

/// <summary>Exit codes of all commands.</summary>
internal static class ExitCode
{
    public const int Done = 0;

    /// <summary>The shop refused the command, or a check failed.</summary>
    public const int Refused = 1;

    public const int WrongUsage = 2;

    public const int Unreachable = 3;

    /// <summary>Nothing is wrong, but an order or a reservation is not final yet.</summary>
    public const int UnderWay = 4;

    /// <summary>Ctrl-C.</summary>
    public const int Interrupted = 130;
}
