using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Messaging;
using Saga.State;
using Saga.Telemetry;

namespace Saga.OpenOrders;

/// <summary>
/// Visits entries of an open-order log in isolation: a transient fault postpones only its entry, with exponential backoff; an entry that can never
/// be handled becomes a dead letter and leaves the log.
/// </summary>
/// <param name="kind">See <see cref="ISweptEntries.Kind"/>.</param>
/// <param name="suffix">The second part of the dead letter's event id, after the order id and a slash.</param>
internal sealed class IsolatedVisits(string kind, string suffix, DeadLetters deadLetters, TimeProvider clock, ILogger log)
{
    /// <summary>Transient faults in a row that end the run: a dependency is down, and the next run retries.</summary>
    private const int MaxConsecutiveFaults = 3;

    private static readonly TimeSpan DelayMin = TimeSpan.FromSeconds(2), DelayMax = TimeSpan.FromMinutes(1);

    private readonly KeyedBackoff postponed = new(DelayMin, DelayMax, clock);

    /// <summary>Forgets the delays of an order that this instance no longer visits.</summary>
    public void Forget(string orderId) => postponed.Reset(orderId);

    /// <param name="reads">The document of each entry, as <see cref="SeparateReads.ReadEachAsync"/> has read it.</param>
    /// <param name="isClosedAsync">Handles an entry. True: it needs no further visit.</param>
    /// <returns>The ids of the entries that are still open.</returns>
    public async Task<IReadOnlySet<string>> VisitAsync<T>(
        IReadOnlyList<OpenEntry> entries, IReadOnlyList<Task<Versioned<T>>> reads, Func<OpenEntry, Versioned<T>, Task<bool>> isClosedAsync,
        CancellationToken ct)
        where T : class
    {
        HashSet<string> open = [];
        var consecutiveFaults = 0;
        foreach (var (entry, read) in entries.Zip(reads))
        {
            if (postponed.IsDelayed(entry.OrderId))
            {
                open.Add(entry.OrderId);
                continue;
            }
            try
            {
                if (!DocumentId.IsOfOrder(entry.OrderId))
                {
                    throw new CorruptDocumentException($"'{entry.OrderId}' is tracked, and is no order id: a UUID in 36 lower-case characters.");
                }
                if (!await isClosedAsync(entry, await read)) open.Add(entry.OrderId);
                postponed.Reset(entry.OrderId);
                consecutiveFaults = 0;
            }
            catch (Exception fault) when (Faults.IsTransient(fault))
            {
                open.Add(entry.OrderId);
                SagaLog.EntryPostponed(log, kind, entry.OrderId, postponed.Delay(entry.OrderId), fault.Message);
                if (ct.IsCancellationRequested || !IsOfOneEntry(fault) && ++consecutiveFaults == MaxConsecutiveFaults) throw;
            }
            catch (Exception fault)
            {
                await DeadLetterAsync(entry, fault, open, ct);
            }
        }
        return open;
    }

    /// <summary>True: another service answered that its document of the order is corrupt, and will answer for the next.</summary>
    private static bool IsOfOneEntry(Exception fault) => fault is RpcException { StatusCode: StatusCode.DataLoss };

    /// <summary>Makes an entry a dead letter. One that cannot be stored stays open, and stops no other.</summary>
    private async Task DeadLetterAsync(OpenEntry entry, Exception fault, HashSet<string> open, CancellationToken ct)
    {
        try
        {
            var letter = await deadLetters.StoreAsync(
                new(kind, $"{entry.OrderId}/{suffix}", entry.Detail is { } detail
                    ? ByteString.CopyFrom(JsonMarshal.GetRawUtf8Value(detail)) : ByteString.CopyFromUtf8(entry.OrderId)), fault.Message, ct, expires: false);
            SagaLog.EntryRejected(log,
                fault is UnprocessableEventException or CorruptDocumentException ? null : fault,
                kind, entry.OrderId, letter.Id, fault.Message);
            postponed.Reset(entry.OrderId);
        }
        catch (Exception notStored) when (!Faults.IsTransient(notStored))
        {
            open.Add(entry.OrderId);
            SagaLog.EntryPostponed(log, kind, entry.OrderId, postponed.Delay(entry.OrderId),
                $"{fault.Message} It could not be made a dead letter: {notStored.Message}");
        }
    }
}
