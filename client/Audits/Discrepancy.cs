namespace Shop.Audits;

/// <summary>A difference that an invariant has found.</summary>
/// <param name="Subject">The order, product, account or coupon, such as "product lamp": the same in every snapshot that shows this difference.</param>
/// <param name="What">A sentence.</param>
/// <param name="Until">UTC, by when it will be gone without intervention. Null: it will not.</param>
public sealed record Discrepancy(string Subject, string What, DateTime? Until);
