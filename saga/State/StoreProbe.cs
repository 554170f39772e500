using Microsoft.Extensions.Logging;
using Saga.Dapr;
using Saga.Telemetry;

namespace Saga.State;

/// <summary>A document that only <see cref="StoreProbe"/> writes.</summary>
internal sealed record ProbeDocument(int Number);

/// <summary>Tries whether the state store keeps what the saga relies on: a write fails when another writer has written since.</summary>
internal sealed class StoreProbe(ISidecar sidecar, ILogger<StoreProbe> log)
{
    private static readonly TimeSpan TimeToLive = TimeSpan.FromMinutes(1);

    private bool hasPassed;
    private string? reported;

    /// <summary>Writes, reads and deletes a document of its own, until that has succeeded once.</summary>
    /// <returns>What is wrong, in a sentence, which is also logged. Null: nothing.</returns>
    public async Task<string?> FindProblemAsync(CancellationToken ct)
    {
        if (hasPassed) return null;
        var problem = await TryAsync($"probe:{Guid.CreateVersion7()}", ct);
        hasPassed = problem is null;
        if (problem is not null && problem != reported) SagaLog.StoreUnfit(log, problem);
        reported = problem;
        return problem;
    }

    private async Task<string?> TryAsync(string key, CancellationToken ct)
    {
        var missing = await sidecar.ReadAsync<ProbeDocument>(key, ct);
        if (!await SaveAsync(missing, 1, ct)) return Sentence("refuses a new document");
        if (await sidecar.TrySaveAsync(missing, new ProbeDocument(2), TimeToLive, ct)) return Sentence("lets two writers create the same document");
        var first = await sidecar.ReadAsync<ProbeDocument>(key, ct);
        if (first is not { Value.Number: 1, ETag.Length: > 0 }) return Sentence("returns no ETag, or not what was written");
        if (!await SaveAsync(first, 3, ct)) return Sentence("refuses a write with the current ETag");
        if (await sidecar.TrySaveAsync(first, new ProbeDocument(4), TimeToLive, ct)) return Sentence("accepts a write with an old ETag");
        await sidecar.DeleteAsync(key, ct);
        return null;
    }

    /// <summary>A write that is reported as a conflict may be its own, whose answer was lost: there is no other writer.</summary>
    private async Task<bool> SaveAsync(Versioned<ProbeDocument> read, int number, CancellationToken ct) =>
        await sidecar.TrySaveAsync(read, new ProbeDocument(number), TimeToLive, ct)
        || (await sidecar.ReadAsync<ProbeDocument>(read.Key, ct)).Value?.Number == number;

    private static string Sentence(string fault) =>
        $"The state store {fault}, so that orders could be lost: give the component '{DaprSidecar.StateStore}' (spec.type) a store with ETags and "
        + "first-write concurrency, such as state.redis.";
}
