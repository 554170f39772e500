using System.Diagnostics;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Grpc.Core;
using DaprClient = Dapr.Client.Autogen.Grpc.v1.Dapr.DaprClient;

namespace Shop.Doctor;

/// <summary>
/// Writes, reads and deletes a document of its own through a sidecar, as the services do before they are ready: whatever the store is, a write must
/// fail when another writer has written since.
/// </summary>
/// <param name="headers">With the token of the sidecar's API.</param>
internal sealed class StoreProbe(DaprClient sidecar, Metadata headers, string appId, CancellationToken ct)
{
    public const string Check = "store";

    private const string StateStore = "statestore";

    /// <summary>Seconds after which the document expires, should the probe not come to delete it.</summary>
    private const string TimeToLive = "60";

    /// <summary>Seven calls that take longer.</summary>
    private static readonly TimeSpan SlowMin = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    private readonly string key = $"{appId}:probe:doctor:{Guid.CreateVersion7()}";

    private static DateTime Deadline => TimeProvider.System.GetUtcNow().UtcDateTime + Timeout;

    /// <param name="subject">The sidecar.</param>
    public async Task<CheckResult> RunAsync(string subject)
    {
        var begun = Stopwatch.GetTimestamp();
        try
        {
            var fault = await FindFaultAsync();
            var took = Stopwatch.GetElapsedTime(begun);
            return fault is not null
                ? CheckResult.Problem(subject, Check, $"The state store {fault}, so that orders could be lost.",
                    $"Give the component '{StateStore}' a store with ETags and first-write concurrency, such as state.redis or state.postgresql.")
                : took > SlowMin
                    ? CheckResult.Warning(subject, Check, $"keeps what it must, but needs {took.TotalMilliseconds:0} ms for seven calls",
                        "Look at the load of the store and at the way to it: each order makes some twenty such calls.")
                    : CheckResult.Ok(subject, Check, $"a document was written, read, compared and deleted in {took.TotalMilliseconds:0} ms");
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            return CheckResult.Problem(subject, Check, $"The state store does not answer: {RpcErrorText.Describe(fault)}",
                "See the log of the sidecar, and the store itself: it has to run where the component says.");
        }
    }

    /// <returns>The predicate of a sentence about the store. Null: nothing is wrong.</returns>
    private async Task<string?> FindFaultAsync()
    {
        if (!await TrySaveAsync("1", "")) return "refuses a new document";
        if (await TrySaveAsync("2", "")) return "lets two writers create the same document";
        var first = await ReadAsync();
        if (first.Data.ToStringUtf8() != "1" || first.Etag.Length == 0) return "returns no ETag, or not what was written";
        if (!await TrySaveAsync("3", first.Etag)) return "refuses a write with the current ETag";
        if (await TrySaveAsync("4", first.Etag)) return "accepts a write with an old ETag";
        await sidecar.DeleteStateAsync(new() { StoreName = StateStore, Key = key }, headers, Deadline, ct);
        return null;
    }

    private async Task<GetStateResponse> ReadAsync() =>
        await sidecar.GetStateAsync(new() { StoreName = StateStore, Key = key }, headers, Deadline, ct);

    /// <returns>False: a conflict.</returns>
    private async Task<bool> TrySaveAsync(string value, string etag)
    {
        var item = new StateItem
        {
            Key = key,
            Value = ByteString.CopyFromUtf8(value),
            Etag = new() { Value = etag },
            Options = new() { Concurrency = StateOptions.Types.StateConcurrency.ConcurrencyFirstWrite },
            Metadata = { ["ttlInSeconds"] = TimeToLive },
        };
        try
        {
            await sidecar.SaveStateAsync(new() { StoreName = StateStore, States = { item } }, headers, Deadline, ct);
            return true;
        }
        catch (RpcException conflict) when (conflict.StatusCode == StatusCode.Aborted)
        {
            return false;
        }
        catch (RpcException fault) when (etag.Length == 0 && fault.StatusCode is not (StatusCode.Unavailable or StatusCode.DeadlineExceeded))
        {
            // A conflict on create is reported as an internal error. Only a read tells it from a fault.
            if ((await ReadAsync()).Data.IsEmpty) throw;
            return false;
        }
    }
}
