namespace Integration.Chaos;

/// <summary>A kind of injected fault.</summary>
internal enum Fault
{
    KillService,
    KillSidecar,
    KillRedis,

    /// <summary>A process is stopped for longer than the processing timeout.</summary>
    Freeze,

    /// <summary>A sidecar is killed, and its pending events are acknowledged, so that they are never redelivered.</summary>
    LoseEvents,
}
