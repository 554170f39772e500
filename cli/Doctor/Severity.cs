namespace Shop.Doctor;

/// <summary>Severity of a check's result.</summary>
internal enum Severity
{
    Ok,

    /// <summary>The shop works, but not as well as it could, or the check could not be made.</summary>
    Warning,

    /// <summary>Orders fail, wait or are lost because of it.</summary>
    Problem,
}
