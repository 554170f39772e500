using System.Collections.Immutable;
using Saga;

namespace Orders;

/// <summary>The first hour of which orders are remembered. Kept for ever.</summary>
/// <param name="Hour">Hours since 1970; so in what follows.</param>
internal sealed record HistoryStart(long Hour)
{
    public const string Key = "past:begin";
}

/// <summary>The orders that came to rest in one hour are in so many pages, numbered from 1.</summary>
internal sealed record HistoryHour(int Pages)
{
    public static string KeyOf(long hour) => $"past:{hour}";
}

/// <summary>Some of them, the latest last.</summary>
internal sealed record HistoryPage(ImmutableArray<string> OrderIds)
{
    public static string KeyOf(long hour, int page) => $"past:{hour}:{page}";
}

/// <summary>A place in the list of past orders, from which it goes back in time.</summary>
/// <param name="Page">0: the last page of the hour.</param>
/// <param name="Seen">How many of the page have been listed.</param>
internal readonly record struct PastPlace(long Hour, int Page, int Seen);

/// <summary>
/// Which orders there have been: the open log forgets an order that is at rest, and here it is remembered for as long as its own document lives.
/// </summary>
internal sealed class OrderHistory(DocumentStore documents, ISidecar sidecar, TimeProvider clock)
{
    private const int PageMax = 500;

    private static readonly long HoursKept = (long)Retention.OfFinished.TotalHours;

    private bool begun;

    /// <summary>Remembers these, some of which may be remembered already. A few writes, however many they are.</summary>
    public async Task AddAsync(IReadOnlyList<string> orderIds, CancellationToken ct)
    {
        var hour = HourOf(clock.GetUtcNow());
        if (!begun)
        {
            await documents.UpdateAsync<HistoryStart, bool>(HistoryStart.Key, kept => kept is null ? new(new(hour), true) : new(null, true), ct);
            begun = true;
        }
        var left = orderIds;
        var full = 0;
        while (left.Count > 0)
        {
            full = await PageAfterAsync(hour, full, ct);
            left = await FillAsync(hour, full, left, ct);
        }
    }

    /// <summary>The next orders, going back in time: at most a page.</summary>
    /// <param name="from">Null: from the latest.</param>
    /// <returns>Where to go on; null: that was all.</returns>
    public async Task<(IReadOnlyList<string> OrderIds, PastPlace? Next)> ReadAsync(PastPlace? from, int most, CancellationToken ct)
    {
        var now = HourOf(clock.GetUtcNow());
        // Whoever wrote the latest may have had a clock that was ahead.
        var place = from ?? new(now + 1, 0, 0);
        if (place.Page == 0)
        {
            var hours = Enumerable.Range(0, (int)Math.Clamp(place.Hour - (now - HoursKept) + 1, 0, HoursKept + 2)).Select(back => place.Hour - back).ToArray();
            var read = await sidecar.ReadManyAsync<HistoryHour>([.. hours.Select(HistoryHour.KeyOf)], ct);
            if (hours.Zip(read).FirstOrDefault(pair => pair.Second.Value is not null) is not { Second.Value.Pages: var pages, First: var hour }) return ([], null);
            place = new(hour, pages, 0);
        }
        var ids = (await sidecar.ReadAsync<HistoryPage>(HistoryPage.KeyOf(place.Hour, place.Page), ct)).Value?.OrderIds ?? [];
        string[] listed = [.. ids.Reverse().Skip(place.Seen).Take(most)];
        if (place.Seen + listed.Length < ids.Length) return (listed, place with { Seen = place.Seen + listed.Length });
        return (listed, place.Page > 1 ? new(place.Hour, place.Page - 1, 0) : new(place.Hour - 1, 0, 0));
    }

    /// <summary>Orders that came to rest before are forgotten. Null: none is yet.</summary>
    public async Task<DateTimeOffset?> CompleteSinceAsync(CancellationToken ct)
    {
        var oldest = HourOf(clock.GetUtcNow()) - HoursKept + 1;
        var begin = (await sidecar.ReadAsync<HistoryStart>(HistoryStart.Key, ct)).Value;
        return begin is null || begin.Hour >= oldest ? null : DateTimeOffset.FromUnixTimeSeconds(oldest * 3600);
    }

    /// <summary>The hour's last page, or when that is <paramref name="full"/>, a new one.</summary>
    /// <param name="full">0: not known.</param>
    private Task<int> PageAfterAsync(long hour, int full, CancellationToken ct) => documents.UpdateAsync<HistoryHour, int>(HistoryHour.KeyOf(hour), kept =>
        kept is not null && kept.Pages > full ? new(null, kept.Pages) : new(new((kept?.Pages ?? 0) + 1), (kept?.Pages ?? 0) + 1, Retention.OfFinished), ct);

    /// <returns>What did not fit.</returns>
    private Task<IReadOnlyList<string>> FillAsync(long hour, int page, IReadOnlyList<string> orderIds, CancellationToken ct) =>
        documents.UpdateAsync<HistoryPage, IReadOnlyList<string>>(HistoryPage.KeyOf(hour, page), kept =>
        {
            var there = kept?.OrderIds ?? [];
            string[] missing = [.. orderIds.Except(there)];
            var fit = missing.Take(PageMax - there.Length).ToArray();
            return fit.Length == 0 ? new(null, missing) : new(new(there.AddRange(fit)), missing[fit.Length..], Retention.OfFinished);
        }, ct);

    private static long HourOf(DateTimeOffset time) => time.ToUnixTimeSeconds() / 3600;
}
