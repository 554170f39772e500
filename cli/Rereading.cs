namespace Shop;

/// <summary>Audits a shop that may be at work: what is not as it must be is read again before it is believed.</summary>
internal static class Rereading
{
    /// <summary>Between two readings. Together longer than a few sweeps take, which set right what an outage has left behind.</summary>
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(4)];

    /// <summary>What only the last reading has found is seen at the next look.</summary>
    private static readonly TimeSpan NextLook = TimeSpan.FromSeconds(10);

    /// <param name="deadline">See <see cref="Audit.Of"/>.</param>
    /// <param name="progress">Told the number of orders read so far.</param>
    /// <exception cref="Grpc.Core.RpcException">No service answers.</exception>
    public static async Task<IReadOnlyList<Invariant>> AuditAsync(ShopClients shop, TimeSpan deadline, Action<int> progress, CancellationToken stop)
    {
        var books = await Books.ReadAsync(shop, null, progress, stop);
        var (before, seen) = ((IReadOnlyList<Invariant>?)null, Audit.Of(books, deadline));
        foreach (var pause in Pauses)
        {
            if (IsCertain(before, seen)) break;
            await Task.Delay(pause, stop);
            books = await Books.ReadAsync(shop, books, progress, stop);
            (before, seen) = (seen, Audit.Of(books, deadline));
        }
        return before is null ? seen : Believed(before, seen, books.Begun + NextLook);
    }

    /// <summary>Nothing is wrong, and what is under way was so before. What is broken is read again as long as there is a pause left.</summary>
    private static bool IsCertain(IReadOnlyList<Invariant>? before, IReadOnlyList<Invariant> seen) =>
        seen.All(one => one.Discrepancies.Count == 0)
        || before is not null && seen.All(one => one.State != InvariantState.Broken);

    /// <summary>What two readings in a row have found. What was on its way in one of them only is no news; what was broken in the last only is not believed yet.</summary>
    /// <param name="nextLook">When to look again.</param>
    public static IReadOnlyList<Invariant> Believed(IReadOnlyList<Invariant> before, IReadOnlyList<Invariant> seen, DateTime nextLook)
    {
        var known = before.SelectMany(one => one.Discrepancies.Select(two => (one.Name, two.Subject))).ToHashSet();
        return
        [
            .. seen.Select(one => one with
            {
                Discrepancies =
                [
                    .. one.Discrepancies
                        .Where(two => two.Until is null || known.Contains((one.Name, two.Subject)))
                        .Select(two => known.Contains((one.Name, two.Subject)) ? two : two with { What = $"{two.What}; seen for the first time, look again", Until = nextLook }),
                ],
            }),
        ];
    }
}
