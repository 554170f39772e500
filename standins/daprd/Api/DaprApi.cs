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
    private static readonly Empty Nothing = new();

    /// <summary>The implemented RPCs.</summary>
    public static IReadOnlySet<string> Methods { get; } = new HashSet<string>
    {
        nameof(GetState), nameof(GetBulkState), nameof(SaveState), nameof(DeleteState), nameof(PublishEvent), nameof(BulkPublishEvent),
        nameof(BulkPublishEventAlpha1), nameof(GetMetadata),
    };

    public override Task<GetStateResponse> GetState(GetStateRequest request, ServerCallContext context) => AnswerAsync(context, async _ =>
    {
        var response = new GetStateResponse();
        if (await sidecar.State.GetAsync(request.StoreName, request.Key) is not { } value) return response;
        response.Data = UnsafeByteOperations.UnsafeWrap(value.Data);
        response.Etag = value.Etag ?? "";
        if (value.ExpiresAt is { } time) response.Metadata["ttlExpireTime"] = time;
        return response;
    });

    public override Task<GetBulkStateResponse> GetBulkState(GetBulkStateRequest request, ServerCallContext context) => AnswerAsync(context, async _ =>
        new GetBulkStateResponse { Items = { await sidecar.State.GetManyAsync(request.StoreName, request.Keys) } });

    public override Task<Empty> SaveState(SaveStateRequest request, ServerCallContext context) => AnswerAsync(context, async _ =>
    {
        await sidecar.State.SaveAsync(request.StoreName, request.States);
        return Nothing;
    });

    public override Task<Empty> DeleteState(DeleteStateRequest request, ServerCallContext context) => AnswerAsync(context, async _ =>
    {
        await sidecar.State.DeleteAsync(request.StoreName, request.Key, request.Etag?.Value ?? "");
        return Nothing;
    });

    public override Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context) => AnswerAsync(context, async span =>
    {
        await sidecar.Publisher.PublishAsync(new PublishRequest(
            request.PubsubName, request.Topic, request.Data.Memory, request.DataContentType, request.Metadata, span.Context));
        return Nothing;
    });

    public override Task<BulkPublishResponse> BulkPublishEvent(BulkPublishRequest request, ServerCallContext context) => AnswerAsync(context, async span =>
    {
        var spans = request.Entries.Select(_ => sidecar.Spans.Start(context.Method + "/", ActivityKind.Producer, span.Context)).ToList();
        try
        {
            var entries = request.Entries.Select((entry, at) => (entry.EntryId, new PublishRequest(
                request.PubsubName, request.Topic, entry.Event.Memory, entry.ContentType, entry.Metadata, spans[at].Context))).ToList();
            await sidecar.Publisher.PublishManyAsync(request.PubsubName, request.Topic, entries);
            return new BulkPublishResponse();
        }
        finally
        {
            foreach (var entry in spans) entry.Dispose();
        }
    });

    public override Task<BulkPublishResponse> BulkPublishEventAlpha1(BulkPublishRequest request, ServerCallContext context) =>
        BulkPublishEvent(request, context);

    public override Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) =>
        AnswerAsync(context, _ => Task.FromResult(sidecar.Describe()));

    private async Task<T> AnswerAsync<T>(ServerCallContext context, Func<Span, Task<T>> work)
    {
        using var span = Start(context);
        try
        {
            return await work(span);
        }
        catch (ApiException failure)
        {
            span.Fail(failure.Message);
            throw new RpcException(new Grpc.Core.Status(failure.Status, failure.Message));
        }
    }

    private Span Start(ServerCallContext context)
    {
        // Reading two HTTP headers is cheaper than ServerCallContext.RequestHeaders, which converts all of them.
        var http = context.GetHttpContext();
        var span = sidecar.Spans.Start(context.Method, ActivityKind.Client, TraceContext.FromGrpc(http.Request.Headers));
        if (!sidecar.Spans.AreCreated) return span;
        http.Response.Headers[TraceContext.BinaryHeader] = Convert.ToBase64String(TraceContext.ToBinary(span.Context.Parent));
        return span;
    }
}
