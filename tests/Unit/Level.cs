namespace Saga.Tests;

/// <summary>What is available, held and consumed of a product's pieces, an account's won or a coupon's uses.</summary>
public sealed record Level(long Available = 0, long Held = 0, long Consumed = 0)
{
    public long Total => Available + Held + Consumed;

    public static Level From(Holdings holdings) => new(holdings.Available, holdings.Held, holdings.Consumed);
}
