using Microsoft.Extensions.Logging;

namespace Saga;

/// <summary>What a sweep looks after, order by order; an entry that it cannot handle is redriven by an operator through it.</summary>
public interface ISweptEntries
{
    /// <summary>Stands in a dead letter where an event has its topic.</summary>
    string Kind { get; }

    /// <summary>Handles one entry now, and has it looked after again when it is still open.</summary>
    Task VisitAsync(string orderId, CancellationToken ct);
}

/// <summary>
/// Visits the entries of an open log one by one, so that one that fails stops no other: a fault of the world postpones the entry with a growing
/// delay; what can never be handled becomes a dead letter, and the log forgets it.
/// </summary>
/// <param name="kind">See <see cref="ISweptEntries.Kind"/>.</param>
/// <param name="suffix">Makes the id of the dead letter's event: the order id, a slash, this.</param>
public sealed class IsolatedVisits(string kind, string suffix, DeadLetters deadLetters, TimeProvider clock, ILogger log)
{
    /// <summary>At this many faults in a row it is the world that is down, not the entries: the sweep ends and runs again later.</summary>
    private const int FaultsInARowMax = 3;

    private static readonly TimeSpan DelayMin = TimeSpan.FromSeconds(2), DelayMax = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, (long Since, TimeSpan Delay)> postponed = [];

    /// <param name="reads">The document of each entry, as <see cref="SeparateReads.ReadEachAsync"/> has read it.</param>
    /// <param name="isClosedAsync">Does what is to be done about an entry. True: nothing more ever will be.</param>
    /// <returns>The ids of those that are still open.</returns>
    public async Task<IReadOnlySet<string>> VisitAsync<T>(
        IReadOnlyList<OpenEntry> entries, IReadOnlyList<Task<Versioned<T>>> reads, Func<OpenEntry, Versioned<T>, Task<bool>> isClosedAsync, CancellationToken ct)
        where T : class
    {
        HashSet<string> open = [];
        var faultsInARow = 0;
        foreach (var (entry, read) in entries.Zip(reads))
        {
            if (postponed.TryGetValue(entry.OrderId, out var last) && clock.GetElapsedTime(last.Since) < last.Delay)
            {
                open.Add(entry.OrderId);
                continue;
            }
            try
            {
                if (!await isClosedAsync(entry, await read)) open.Add(entry.OrderId);
                postponed.Remove(entry.OrderId);
                faultsInARow = 0;
            }
            catch (Exception fault) when (Faults.IsTransient(fault))
            {
                open.Add(entry.OrderId);
                Postpone(entry.OrderId, fault);
                if (ct.IsCancellationRequested || ++faultsInARow == FaultsInARowMax) throw;
            }
            catch (Exception fault)
            {
                var letter = await deadLetters.StoreAsync(
                    new(kind, $"{entry.OrderId}/{suffix}", Google.Protobuf.ByteString.CopyFromUtf8(entry.OrderId)), fault.Message, ct);
                SagaLog.EntryRejected(log, fault is UnprocessableEventException or CorruptDocumentException ? null : fault, kind, entry.OrderId, letter.Id, fault.Message);
                postponed.Remove(entry.OrderId);
            }
        }
        return open;
    }

    private void Postpone(string orderId, Exception fault)
    {
        var delay = postponed.TryGetValue(orderId, out var last) ? last.Delay * 2 : DelayMin;
        if (delay > DelayMax) delay = DelayMax;
        postponed[orderId] = (clock.GetTimestamp(), delay);
        SagaLog.EntryPostponed(log, kind, orderId, delay, fault.Message);
    }
}
