namespace Orders;

/// <summary>The steps of the saga, one per participant. The wire's enum is <see cref="Shop.V1.Step"/>.</summary>
/// <remarks>Every switch over it lists all steps without a default arm, so that the compiler names each place that a new step must touch.</remarks>
internal enum Step
{
    Stock,
    Payment,
    Coupon,
}
