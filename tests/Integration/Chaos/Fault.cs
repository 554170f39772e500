namespace Integration.Chaos;

/// <summary>What the faults does.</summary>
internal enum Fault
{
    KillService,
    KillSidecar,
    KillRedis,

    /// <summary>A process sleeps for longer than the processing timeout.</summary>
    Freeze,

    /// <summary>A sidecar is killed, and what it had under way is lost for ever.</summary>
    LoseEvents,
}
