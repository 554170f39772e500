using System.Diagnostics;
using Dapr.Client.Autogen.Grpc.v1;
using Daprd.PubSub;
using Daprd.State;
using Daprd.Tracing;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Daprd.Api;

/// <summary>The gRPC API of the sidecar.</summary>
internal sealed class DaprApi(Sidecar sidecar) : DaprService.DaprBase
{
    private const string ForceShutdownHeader = "dapr-force-shutdown";

    private static readonly Empty Nothing = new();

    /// <summary>RPCs of the service description that are not implemented.</summary>
    private static readonly HashSet<string> Missing = ["SubscribeTopicEventsAlpha1", "DeleteBulkState", "ExecuteStateTransaction", "InvokeService"];

    /// <summary>Whether a method of the Dapr service is implemented. Takes the method name without the service.</summary>
    public static bool Serves(string method) => !Missing.Contains(method) && DaprService.Descriptor.FindMethodByName(method) is not null;

    public override Task<GetStateResponse> GetState(GetStateRequest request, ServerCallContext context) => Answer(context, async span =>
    {
        span.SetStore(request.StoreName, context.Method);
        var response = new GetStateResponse();
        if (await sidecar.State.GetAsync(request.StoreName, request.Key) is not { } value) return response;
        response.Data = UnsafeByteOperations.UnsafeWrap(value.Data);
        response.Etag = value.Etag ?? "";
        if (value.ExpiresAt is { } time) response.Metadata["ttlExpireTime"] = time;
        return response;
    });

    public override Task<GetBulkStateResponse> GetBulkState(GetBulkStateRequest request, ServerCallContext context) => Answer(context, async _ =>
    {
        var items = await sidecar.State.GetManyAsync(request.StoreName, request.Keys, request.Parallelism, context.CancellationToken);
        return new GetBulkStateResponse { Items = { items } };
    });

    public override Task<Empty> SaveState(SaveStateRequest request, ServerCallContext context) => Answer(context, span =>
    {
        span.SetStore(request.StoreName, context.Method);
        return sidecar.State.SaveAsync(request.StoreName, request.States);
    });

    public override Task<Empty> DeleteState(DeleteStateRequest request, ServerCallContext context) => Answer(context, span =>
    {
        span.SetStore(request.StoreName, context.Method);
        var item = new StateItem { Key = request.Key, Etag = request.Etag, Options = request.Options };
        return sidecar.State.DeleteAsync(request.StoreName, item);
    });

    public override Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context) => Answer(context, span =>
    {
        span.SetPublishing(request.Topic);
        var metadata = request.Metadata.Count > 0 ? new Dictionary<string, string>(request.Metadata) : null;
        var raw = Publisher.IsRaw(metadata);
        if (raw)
        {
            // Without an envelope the trace context travels in the metadata.
            metadata!["traceid"] = span.Context.Parent;
            metadata["tracestate"] = span.Context.State;
        }

        var publish = new PublishRequest(request.PubsubName, request.Topic, request.Data.Memory, request.DataContentType, metadata, span.Context)
        {
            IsRaw = raw,
        };
        return sidecar.Publisher.PublishAsync(publish);
    });

    public override Task<BulkPublishResponse> BulkPublishEvent(BulkPublishRequest request, ServerCallContext context) => Answer(context, async span =>
    {
        span.SetPublishing(request.Topic);
        var spans = request.Entries.Select(_ => sidecar.Spans.Start(context.Method + "/", ActivityKind.Producer, span.Context)).ToList();
        try
        {
            var raw = Publisher.IsRaw(request.Metadata);
            var entries = request.Entries.Select((entry, at) => (entry.EntryId, new PublishRequest(
                request.PubsubName, request.Topic, entry.Event.Memory, entry.ContentType, BulkMetadata.OfEntry(entry.Metadata, request.Metadata),
                spans[at].Context) { IsRaw = raw })).ToList();
            var failures = await sidecar.Publisher.PublishManyAsync(request.PubsubName, request.Topic, entries);
            return failures.Count == 0 ? new BulkPublishResponse() : throw failures.Values.First();
        }
        finally
        {
            foreach (var entry in spans) entry.Dispose();
        }
    });

    public override Task<BulkPublishResponse> BulkPublishEventAlpha1(BulkPublishRequest request, ServerCallContext context) =>
        BulkPublishEvent(request, context);

    public override Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) =>
        Answer(context, _ => Task.FromResult(sidecar.Describe()));

    public override Task<Empty> SetMetadata(SetMetadataRequest request, ServerCallContext context) => Answer(context, _ =>
    {
        if (request.Key.Length > 0) sidecar.ExtendedMetadata[request.Key] = request.Value;
        return Task.CompletedTask;
    });

    public override Task<Empty> Shutdown(ShutdownRequest request, ServerCallContext context) => Answer(context, _ =>
    {
        sidecar.RequestShutdown(forced: context.RequestHeaders.GetValue(ForceShutdownHeader) == "true");
        return Task.CompletedTask;
    });

    private async Task<T> Answer<T>(ServerCallContext context, Func<Span, Task<T>> work)
    {
        using var span = Start(context);
        try
        {
            return await work(span);
        }
        catch (ApiException failure)
        {
            span.Fail(failure.Message);
            throw RichStatus.Of(failure);
        }
    }

    private Task<Empty> Answer(ServerCallContext context, Func<Span, Task> work) => Answer(context, async span =>
    {
        await work(span);
        return Nothing;
    });

    private Span Start(ServerCallContext context)
    {
        // Reading two HTTP headers is cheaper than ServerCallContext.RequestHeaders, which converts all of them.
        var http = context.GetHttpContext();
        var parent = TraceContext.FromGrpc(http.Request.Headers);
        var span = sidecar.Spans.Start(context.Method, ActivityKind.Client, parent);
        if (!sidecar.Spans.AreCreated) return span;
        span.SetApi("grpc", context.Method, http.Request.Headers.Select(header => KeyValuePair.Create(header.Key, header.Value.ToString())));
        http.Response.Headers[TraceContext.BinaryHeader] = Convert.ToBase64String(TraceContext.ToBinary(span.Context.Parent));
        return span;
    }
}
