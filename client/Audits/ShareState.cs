namespace Shop.Audits;

/// <summary>The state of a participant's record of an order.</summary>
internal enum ShareState
{
    /// <summary>There is no record.</summary>
    Absent,
    Reserved,
    Rejected,
    Released,
    Settled,
}
