namespace Shop.Audits;

/// <summary>Audits a shop that may be processing orders: reads it again before a difference is reported as broken.</summary>
public static class AuditRunner
{
    /// <summary>Between two snapshots. Together longer than the few sweeps that repair what an outage leaves behind.</summary>
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4)];

    /// <summary>After the last snapshot: when to audit again a difference that only that one shows.</summary>
    private static readonly TimeSpan NextAudit = TimeSpan.FromSeconds(10);

    /// <summary>Reads the shop up to four times, within some seconds, and reports what two snapshots in a row agree on.</summary>
    /// <param name="deadline">The deadline of an order, as the services are configured.</param>
    /// <param name="progress">Called with the number of orders read so far, from zero for each snapshot.</param>
    /// <param name="cancellationToken">Ends the audit with an <see cref="Grpc.Core.RpcException"/> or <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="Grpc.Core.RpcException">No service answers.</exception>
    public static async Task<IReadOnlyList<Invariant>> RunAsync(ShopClients shop, TimeSpan deadline, Action<int> progress, CancellationToken cancellationToken)
    {
        var snapshot = await ShopSnapshot.ReadAsync(shop, null, progress, cancellationToken);
        var (previous, current) = ((IReadOnlyList<Invariant>?)null, Audit.Evaluate(snapshot, deadline));
        foreach (var pause in Pauses)
        {
            if (IsConclusive(previous, current)) break;
            await Task.Delay(pause, cancellationToken);
            snapshot = await ShopSnapshot.ReadAsync(shop, snapshot, progress, cancellationToken);
            (previous, current) = (current, Audit.Evaluate(snapshot, deadline));
        }
        return previous is null ? current : Confirm(previous, current, snapshot.StartTime + NextAudit);
    }

    /// <summary>Keeps what two successive snapshots agree on.</summary>
    /// <remarks>
    /// A difference that is under way is dropped when only <paramref name="current"/> shows it; one that is broken becomes under way until
    /// <paramref name="nextAudit"/>.
    /// </remarks>
    /// <param name="nextAudit">UTC.</param>
    /// <returns>The invariants of <paramref name="current"/>, in its order.</returns>
    public static IReadOnlyList<Invariant> Confirm(IReadOnlyList<Invariant> previous, IReadOnlyList<Invariant> current, DateTime nextAudit)
    {
        var known = previous.SelectMany(invariant => invariant.Discrepancies.Select(one => (invariant.Name, one.Subject))).ToHashSet();
        return
        [
            .. current.Select(invariant => invariant with
            {
                Discrepancies =
                [
                    .. invariant.Discrepancies
                        .Where(one => one.Until is null || known.Contains((invariant.Name, one.Subject)))
                        .Select(one => known.Contains((invariant.Name, one.Subject)) ? one
                            : one with { What = $"{one.What}; seen for the first time, look again", Until = nextAudit }),
                ],
            }),
        ];
    }

    /// <summary>Nothing was found, or the second of two snapshots shows nothing broken.</summary>
    private static bool IsConclusive(IReadOnlyList<Invariant>? previous, IReadOnlyList<Invariant> current) =>
        current.All(invariant => invariant.Discrepancies.Count == 0)
        || previous is not null && current.All(invariant => invariant.State != InvariantState.Broken);
}
