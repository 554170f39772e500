using Grpc.Core;
using Saga.Commands;
using Saga.Dapr;

namespace Points;

/// <summary>The gRPC API of Points.</summary>
internal sealed class PointsService(ISidecar sidecar) : V1.PointsService.PointsServiceBase
{
    [Allow(Role.User)]
    public override async Task<V1.GetPointsResponse> GetPoints(V1.GetPointsRequest request, ServerCallContext context)
    {
        new RequestCheck().Id("user_id", request.UserId).ThrowIfInvalid();
        Caller.Of(context).MustBe("user_id", request.UserId);
        var member = (await sidecar.ReadAsync<Member>(Member.KeyOf(request.UserId), context.CancellationToken)).Value;
        return new() { Points = member?.Holdings.Consumed ?? 0, PendingPoints = member?.Holdings.Held ?? 0 };
    }
}
