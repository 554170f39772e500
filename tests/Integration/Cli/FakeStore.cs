using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using DaprClient = Dapr.Client.Autogen.Grpc.v1.Dapr.DaprClient;

namespace Integration.Cli;

/// <summary>What is wrong with a store.</summary>
public enum Flaw
{
    None,
    RefusesNew,
    CreatesTwice,
    NoETag,
    RefusesCurrent,
    AcceptsOld,
    Down,
}

/// <summary>The state API of a sidecar whose store has UUIDs as ETags, and a flaw.</summary>
internal sealed class FakeStore(Flaw flaw) : DaprClient
{
    public Dictionary<string, (ByteString Value, string ETag)> Documents { get; } = [];

    /// <summary>Of each write.</summary>
    public List<string> Keys { get; } = [];

    /// <summary>Of each write.</summary>
    public List<string> TimesToLive { get; } = [];

    public override AsyncUnaryCall<Empty> SaveStateAsync(
        SaveStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) => Answer(() =>
    {
        var item = request.States.Single();
        Keys.Add(item.Key);
        TimesToLive.Add(item.Metadata["ttlInSeconds"]);
        var isThere = Documents.TryGetValue(item.Key, out var there);
        var isNew = item.Etag.Value.Length == 0;
        var isRefused = isNew
            ? flaw == Flaw.RefusesNew || isThere && flaw != Flaw.CreatesTwice
            : flaw == Flaw.RefusesCurrent || there.ETag != item.Etag.Value && flaw != Flaw.AcceptsOld;
        if (isRefused && (!isNew || flaw == Flaw.RefusesNew)) throw new RpcException(new Status(StatusCode.Aborted, "possible etag mismatch"));
        // As state.postgresql.
        if (isRefused) throw new RpcException(new Status(StatusCode.Internal, "no item was updated"));
        Documents[item.Key] = (item.Value, flaw == Flaw.NoETag ? "" : $"{Guid.NewGuid()}");
        return new Empty();
    });

    public override AsyncUnaryCall<GetStateResponse> GetStateAsync(
        GetStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) => Answer(() =>
        Documents.TryGetValue(request.Key, out var there) ? new GetStateResponse { Data = there.Value, Etag = there.ETag } : new GetStateResponse());

    public override AsyncUnaryCall<Empty> DeleteStateAsync(
        DeleteStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Answer(() =>
        {
            Documents.Remove(request.Key);
            return new Empty();
        });

    private AsyncUnaryCall<T> Answer<T>(Func<T> operation) => new(
        AnswerAsync(operation), Task.FromResult(Metadata.Empty), () => Status.DefaultSuccess, () => Metadata.Empty, () => { });

    private async Task<T> AnswerAsync<T>(Func<T> operation)
    {
        await Task.Yield();
        return flaw == Flaw.Down ? throw new RpcException(new Status(StatusCode.Internal, "no connection")) : operation();
    }
}
