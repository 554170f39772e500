using System.Collections.Immutable;

namespace Orders;

/// <summary>The first hour of the history. Never expires.</summary>
/// <param name="Hour">Hours since 1970, here and below.</param>
internal sealed record HistoryStart(long Hour) : IHasInvariants
{
    public const string Key = "past:begin";

    /// <summary>The year 9999.</summary>
    internal const long HourMax = 70_389_528;

    public string? FindProblem(string key) => Hour is < 0 or > HourMax ? $"it begins in hour {Hour}" : null;
}

/// <summary>The orders that were closed in one hour.</summary>
/// <param name="Pages">Their pages are numbered from 1 to this.</param>
internal sealed record HistoryHour(int Pages) : IHasInvariants
{
    /// <summary>50 million orders in one hour.</summary>
    private const int PagesMax = 100_000;

    public string? FindProblem(string key) => Pages is < 1 or > PagesMax ? $"it has {Pages} pages" : null;

    public static string KeyOf(long hour) => $"past:{hour}";
}

/// <summary>A page of an hour, latest last.</summary>
internal sealed record HistoryPage(ImmutableArray<string> OrderIds) : IHasInvariants
{
    /// <remarks>Each id is checked when it is listed, so that a wrong one does not hide the others.</remarks>
    public string? FindProblem(string key) => OrderIds.IsDefault ? "it has no orders" : null;

    public static string KeyOf(long hour, int page) => $"past:{hour}:{page}";
}

/// <summary>A position in the history, which is read back in time.</summary>
/// <param name="Page">0: the last page of the hour.</param>
/// <param name="Seen">Orders of the page that have been listed.</param>
internal readonly record struct HistoryCursor(long Hour, int Page, int Seen);

/// <summary>
/// Index of closed orders by hour: the open-order log drops a closed order, and the history keeps its id as long as its document lives.
/// </summary>
internal sealed class OrderHistory(DocumentStore documents, ISidecar sidecar, TimeProvider clock)
{
    private const int PageMax = 500;

    private static readonly long HoursKept = (long)Retention.OfFinished.TotalHours;

    private bool begun;

    /// <summary>Adds closed orders, some of which may be in the history already. Costs a few writes, whatever their number.</summary>
    /// <remarks>
    /// Where a document of this hour is corrupt they go to the next: an order that is not in the history stays in the log of open orders.
    /// </remarks>
    public async Task AddAsync(IReadOnlyList<string> orderIds, CancellationToken ct)
    {
        var now = ToHour(clock.GetUtcNow());
        await BeginAsync(now, ct);
        var left = orderIds;
        for (var (hour, full) = (now, 0); left.Count > 0;)
        {
            try
            {
                full = await GetPageAfterAsync(hour, full, ct);
                left = await FillAsync(hour, full, left, ct);
            }
            catch (CorruptDocumentException) when (hour == now)
            {
                (hour, full) = (now + 1, 0);
            }
        }
    }

    /// <summary>Reads orders back in time, at most one page.</summary>
    /// <param name="from">Null: from the latest.</param>
    /// <param name="size">Orders, at most.</param>
    /// <returns>The ids, and the next position. Null: there are no more.</returns>
    public async Task<(IReadOnlyList<string> OrderIds, HistoryCursor? Next)> ReadAsync(HistoryCursor? from, int size, CancellationToken ct)
    {
        var now = ToHour(clock.GetUtcNow());
        // A writer's clock may have been ahead.
        var cursor = from ?? new(now + 1, 0, 0);
        if (cursor.Page == 0)
        {
            var hours = Enumerable.Range(0, (int)Math.Clamp(cursor.Hour - (now - HoursKept) + 1, 0, HoursKept + 2))
                .Select(back => cursor.Hour - back).ToArray();
            var read = await sidecar.ReadManyAsync<HistoryHour>([.. hours.Select(HistoryHour.KeyOf)], ct);
            if (hours.Zip(read).FirstOrDefault(pair => pair.Second.Value is not null) is not { Second.Value.Pages: var pages, First: var hour })
            {
                return ([], null);
            }
            cursor = new(hour, pages, 0);
        }
        var ids = (await sidecar.ReadAsync<HistoryPage>(HistoryPage.KeyOf(cursor.Hour, cursor.Page), ct)).Value?.OrderIds ?? [];
        string[] listed = [.. ids.Reverse().Skip(cursor.Seen).Take(size)];
        if (cursor.Seen + listed.Length < ids.Length) return (listed, cursor with { Seen = cursor.Seen + listed.Length });
        return (listed, cursor.Page > 1 ? new(cursor.Hour, cursor.Page - 1, 0) : new(cursor.Hour - 1, 0, 0));
    }

    /// <summary>Orders that were closed before have expired. Null: none has yet.</summary>
    public async Task<DateTimeOffset?> GetCompleteSinceAsync(CancellationToken ct)
    {
        var oldest = ToHour(clock.GetUtcNow()) - HoursKept + 1;
        var begin = (await sidecar.ReadAsync<HistoryStart>(HistoryStart.Key, ct)).Value;
        return begin is null || begin.Hour >= oldest ? null : DateTimeOffset.FromUnixTimeSeconds(oldest * 3600);
    }

    private async Task BeginAsync(long hour, CancellationToken ct)
    {
        if (begun) return;
        try
        {
            await documents.UpdateAsync<HistoryStart, bool>(HistoryStart.Key, stored => stored is null ? new(new(hour), true) : new(null, true), ct);
            begun = true;
        }
        catch (CorruptDocumentException)
        {
            // Only lists need it, and say that it is corrupt.
        }
    }

    /// <summary>The hour's last page, or a new one when that is <paramref name="full"/>.</summary>
    /// <param name="full">0: unknown.</param>
    private Task<int> GetPageAfterAsync(long hour, int full, CancellationToken ct) => documents.UpdateAsync<HistoryHour, int>(HistoryHour.KeyOf(hour), stored =>
        stored is not null && stored.Pages > full
            ? new(null, stored.Pages)
            : new(new((stored?.Pages ?? 0) + 1), (stored?.Pages ?? 0) + 1, Retention.OfFinished), ct);

    /// <returns>The ids that did not fit.</returns>
    private Task<IReadOnlyList<string>> FillAsync(long hour, int page, IReadOnlyList<string> orderIds, CancellationToken ct) =>
        documents.UpdateAsync<HistoryPage, IReadOnlyList<string>>(HistoryPage.KeyOf(hour, page), stored =>
        {
            var there = stored?.OrderIds ?? [];
            string[] missing = [.. orderIds.Except(there)];
            var fit = missing.Take(PageMax - there.Length).ToArray();
            return fit.Length == 0 ? new(null, missing) : new(new(there.AddRange(fit)), missing[fit.Length..], Retention.OfFinished);
        }, ct);

    private static long ToHour(DateTimeOffset time) => time.ToUnixTimeSeconds() / 3600;
}
