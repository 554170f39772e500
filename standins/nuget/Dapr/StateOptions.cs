namespace Dapr.Client;

public class StateOptions
{
    /// <summary>Null: as the state store does it by default.</summary>
    public ConsistencyMode? Consistency { get; set; }

    /// <summary>Null: as the state store does it by default, the last write wins.</summary>
    public ConcurrencyMode? Concurrency { get; set; }
}

public enum ConsistencyMode
{
    Eventual,
    Strong,
}

public enum ConcurrencyMode
{
    /// <summary>A write succeeds only if nobody has written since its ETag was read.</summary>
    FirstWrite,

    LastWrite,
}
