using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace StandIns.GrpcTests;

/// <summary>Remembers the last request, and answers what a test tells it to.</summary>
internal sealed class FakeSidecar(SidecarScript script) : Dapr.Client.Autogen.Grpc.v1.Dapr.DaprBase
{
    public override Task<GetStateResponse> GetState(GetStateRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, script.State);

    public override Task<GetBulkStateResponse> GetBulkState(GetBulkStateRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new GetBulkStateResponse
        {
            Items = { request.Keys.Select(key => new BulkStateItem { Key = key, Data = script.State.Data, Etag = script.State.Etag }) },
        });

    public override Task<Empty> SaveState(SaveStateRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new Empty());

    public override Task<Empty> DeleteState(DeleteStateRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new Empty());

    public override Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new Empty());

    public override Task<BulkPublishResponse> BulkPublishEventAlpha1(BulkPublishRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new BulkPublishResponse
        {
            FailedEntries = { new BulkPublishResponseFailedEntry { EntryId = "1", Error = "full" } },
        });

    public override Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) =>
        script.AnswerAsync(request, context, new GetMetadataResponse
        {
            Id = "orders",
            RegisteredComponents = { new RegisteredComponents { Name = "statestore", Type = "state.redis", Version = "v1" } },
        });
}

internal sealed class SidecarScript
{
    public GetStateResponse State { get; set; } = new();

    public Status Failure { get; set; } = Status.DefaultSuccess;

    public object? Asked { get; private set; }

    public Metadata Headers { get; private set; } = [];

    public Task<T> AnswerAsync<T>(object request, ServerCallContext context, T response)
    {
        Asked = request;
        Headers = context.RequestHeaders;
        return Failure.StatusCode == StatusCode.OK ? Task.FromResult(response) : throw new RpcException(Failure);
    }
}
