using Grpc.Core;
using Saga.Commands;
using Saga.Dapr;
using Saga.Reservations;
using Saga.State;

namespace Tickets;

/// <summary>The gRPC API of Tickets, for operators.</summary>
internal sealed class TicketsService(ISidecar sidecar, DocumentStore documents) : V1.TicketsService.TicketsServiceBase
{
    /// <remarks>IdempotentCommands gives a command an idempotency key, for clients that repeat a call whose answer was lost.</remarks>
    public override async Task<V1.AddResponse> Add(V1.AddRequest request, ServerCallContext context)
    {
        new RequestCheck().Range("count", request.Count, -1_000_000, 1_000_000).ThrowIfInvalid();
        // Null: more would be taken away than there are. The decision runs again after a conflict.
        var available = await documents.UpdateAsync<TicketsPool, long?>(TicketsPool.KeyOf(TicketsPool.Id), stored =>
        {
            var pool = stored ?? new(Holdings.Of(0));
            if (pool.Holdings.Available + request.Count < 0) return new(null, null);
            pool = pool.With(pool.Holdings.Add(request.Count));
            return new(pool, pool.Holdings.Available);
        }, context.CancellationToken);
        return available is { } now ? new() { Available = now }
            : throw new RejectedException(Rejection.Precondition(("pool/all", new("TOO_FEW", "More would be taken away than are available."))));
    }

    public override async Task<V1.GetResponse> Get(V1.GetRequest request, ServerCallContext context)
    {
        var pool = (await sidecar.ReadAsync<TicketsPool>(TicketsPool.KeyOf(TicketsPool.Id), context.CancellationToken)).Value;
        return pool is null ? new() : new() { Available = pool.Holdings.Available, Held = pool.Holdings.Held, Taken = pool.Holdings.Consumed };
    }
}
