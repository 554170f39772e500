namespace Integration.Chaos;

internal enum ViolationKind
{
    /// <summary>An accepted order or quantity is missing.</summary>
    Lost,

    /// <summary>An effect happened more than once.</summary>
    Doubled,

    /// <summary>An order or a reservation is not final.</summary>
    Stuck,

    /// <summary>Two records that must agree do not.</summary>
    Contradiction,
}
