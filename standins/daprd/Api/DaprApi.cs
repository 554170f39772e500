using Dapr.Client.Autogen.Grpc.v1;
using Daprd.PubSub;
using Daprd.State;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Daprd.Api;

/// <summary>The sidecar's API over gRPC.</summary>
internal sealed class DaprApi(Sidecar sidecar) : DaprService.DaprBase
{
    private const string ForceShutdownHeader = "dapr-force-shutdown";
    private static readonly Empty Nothing = new();

    /// <summary>Rpcs that are described but not served.</summary>
    private static readonly HashSet<string> Missing = ["SubscribeTopicEventsAlpha1"];

    /// <summary>Whether a method of Dapr's service, by its short name, is served here.</summary>
    public static bool Serves(string method) => !Missing.Contains(method) && DaprService.Descriptor.FindMethodByName(method) is not null;

    public override Task<GetStateResponse> GetState(GetStateRequest request, ServerCallContext context) => Answer(async () =>
    {
        var response = new GetStateResponse();
        if (await sidecar.State.GetAsync(request.StoreName, request.Key, context.CancellationToken) is not { } value) return response;
        response.Data = UnsafeByteOperations.UnsafeWrap(value.Data);
        response.Etag = value.Etag ?? "";
        if (value.ExpiresAt is { } time) response.Metadata["ttlExpireTime"] = time;
        return response;
    });

    public override Task<GetBulkStateResponse> GetBulkState(GetBulkStateRequest request, ServerCallContext context) => Answer(async () =>
        new GetBulkStateResponse { Items = { await sidecar.State.GetManyAsync(request.StoreName, request.Keys, request.Parallelism, context.CancellationToken) } });

    public override Task<Empty> SaveState(SaveStateRequest request, ServerCallContext context) =>
        Answer(() => sidecar.State.SaveAsync(request.StoreName, request.States, context.CancellationToken));

    public override Task<Empty> DeleteState(DeleteStateRequest request, ServerCallContext context)
    {
        var item = new StateItem { Key = request.Key, Etag = request.Etag, Options = request.Options };
        return Answer(() => sidecar.State.DeleteAsync(request.StoreName, [item], context.CancellationToken));
    }

    public override Task<Empty> DeleteBulkState(DeleteBulkStateRequest request, ServerCallContext context) =>
        Answer(() => sidecar.State.DeleteAsync(request.StoreName, request.States, context.CancellationToken));

    public override Task<Empty> ExecuteStateTransaction(ExecuteStateTransactionRequest request, ServerCallContext context) =>
        Answer(() => sidecar.State.TransactAsync(request.StoreName, request.Operations, context.CancellationToken));

    public override Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context) => Answer(() =>
    {
        var publication = WithRawTrace(new Publication(
            request.PubsubName, request.Topic, request.Data.Memory, request.DataContentType, request.Metadata.Count > 0 ? new Dictionary<string, string>(request.Metadata) : null, Trace(context)));
        return sidecar.Publisher.PublishAsync(publication, context.CancellationToken);
    });

    public override Task<BulkPublishResponse> BulkPublishEvent(BulkPublishRequest request, ServerCallContext context) => Answer(async () =>
    {
        var trace = Trace(context);
        var entries = request.Entries.Select(entry => (entry.EntryId, WithRawTrace(new Publication(
            request.PubsubName, request.Topic, entry.Event.Memory, entry.ContentType, BulkMetadata.OfEntry(entry.Metadata, request.Metadata), trace)))).ToList();
        var failures = await sidecar.Publisher.PublishManyAsync(request.PubsubName, request.Topic, entries, context.CancellationToken);
        return failures.Count == 0 ? new BulkPublishResponse() : throw failures.Values.First();
    });

    public override Task<BulkPublishResponse> BulkPublishEventAlpha1(BulkPublishRequest request, ServerCallContext context) => BulkPublishEvent(request, context);

    [Obsolete("Proxying needs no rpc of its own.")]
    public override Task<InvokeResponse> InvokeService(InvokeServiceRequest request, ServerCallContext context) => Answer(() =>
        sidecar.InvokeAsync(request, context.RequestHeaders, context.CancellationToken));

    public override Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) => Task.FromResult(sidecar.Describe());

    public override Task<Empty> SetMetadata(SetMetadataRequest request, ServerCallContext context)
    {
        if (request.Key.Length > 0) sidecar.ExtendedMetadata[request.Key] = request.Value;
        return Task.FromResult(Nothing);
    }

    public override Task<Empty> Shutdown(ShutdownRequest request, ServerCallContext context)
    {
        sidecar.RequestShutdown(forced: context.RequestHeaders.GetValue(ForceShutdownHeader) == "true");
        return Task.FromResult(Nothing);
    }

    private static async Task<T> Answer<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (ApiException failure)
        {
            throw RichStatus.Of(failure);
        }
    }

    private static Task<Empty> Answer(Func<Task> work) => Answer(async () =>
    {
        await work();
        return Nothing;
    });

    private TraceContext Trace(ServerCallContext context)
    {
        if (!sidecar.PassesTracesOn) return TraceContext.None;
        return TraceContext.FromGrpc(context.RequestHeaders.GetValueBytes("grpc-trace-bin"), context.RequestHeaders.GetValue("traceparent"));
    }

    /// <summary>A payload without envelope takes its trace along in the metadata.</summary>
    private static Publication WithRawTrace(Publication publication) => !Publisher.IsRaw(publication)
        ? publication
        : publication with
        {
            Metadata = new Dictionary<string, string>(publication.Metadata!)
            {
                ["traceid"] = publication.Trace.Parent,
                ["tracestate"] = publication.Trace.State,
            },
        };
}
