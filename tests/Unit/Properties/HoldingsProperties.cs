using FsCheck;
using FsCheck.Fluent;

namespace Saga.Tests.Properties;

/// <summary>Conservation: whatever is done to holdings keeps their total, or throws and changes nothing.</summary>
public sealed class HoldingsProperties
{
    private static readonly Gen<(int Kind, string Order, long Amount)> Operations =
        from kind in Gen.Choose(0, 3)
        from order in Gen.Elements("o1", "o2", "o3", "o4")
        from amount in Values.Amounts
        select (kind, order, amount);

    private static readonly Gen<Holdings> AnyHoldings =
        from available in Gen.OneOf(Values.Between(0, 100), Values.Between(0, long.MaxValue))
        from held in Gen.OneOf(Values.Between(0, 100), Values.Between(0, long.MaxValue - available))
        from consumed in Values.Between(0, 100)
        where available <= long.MaxValue - held && available + held <= long.MaxValue - consumed
        select Holdings.Of(available) with { Held = held, Consumed = consumed };

    [Fact]
    public void Any_sequence_of_operations_conserves_the_total_or_throws() => Property.ForAll(Operations.ArrayOf(), operations =>
    {
        var (holdings, added) = (Holdings.Of(500), (Int128)500);
        foreach (var operation in operations)
        {
            if (Apply(holdings, operation) is not { } next) continue;
            if (operation.Kind == 3) added += operation.Amount;
            holdings = next;
            MustBeSound(holdings, added);
        }
    }, 2_000);

    [Fact]
    public void From_any_holdings_any_operation_conserves_the_total_or_throws() => Property.ForAll(
        from holdings in AnyHoldings
        from operation in Operations
        select (holdings, operation),
        one =>
        {
            var before = (Int128)one.holdings.Available + one.holdings.Held + one.holdings.Consumed;
            if (Apply(one.holdings, one.operation) is { } next) MustBeSound(next, one.operation.Kind == 3 ? before + one.operation.Amount : before);
        }, 5_000);

    private static void MustBeSound(Holdings holdings, Int128 total)
    {
        Assert.True(holdings is { Available: >= 0, Held: >= 0, Consumed: >= 0 }, $"{holdings}");
        Assert.Equal(total, (Int128)holdings.Available + holdings.Held + holdings.Consumed);
        // A total that no longer fits would be shown as a negative one.
        Assert.Equal(total, holdings.Total);
    }

    /// <returns>Null: it was refused.</returns>
    private static Holdings? Apply(Holdings holdings, (int Kind, string Order, long Amount) operation)
    {
        try
        {
            return operation.Kind switch
            {
                0 => holdings.MarkFor(operation.Order) is null ? holdings.Reserve(operation.Order, operation.Amount) : null,
                1 => holdings.Release(operation.Order, operation.Amount),
                2 => holdings.Settle(operation.Order, operation.Amount),
                _ => holdings.Add(operation.Amount),
            };
        }
        catch (CorruptDocumentException)
        {
            return null;
        }
    }
}
