using Google.Protobuf;
using Grpc.Core;
using Saga.Commands;
using Saga.Dapr;
using Saga.Messaging;
using Saga.Telemetry;
using Shop.V1;

namespace Saga.Reservations;

/// <summary>Serves the calls of Orders for orchestrated orders. A request is checked like the event with the same content.</summary>
internal sealed class ParticipantGrpcService(IOrderStep step, AppId appId) : ParticipantService.ParticipantServiceBase
{
    /// <summary>With what the paths of its methods begin.</summary>
    internal static readonly string Path = $"/{ParticipantService.Descriptor.FullName}/";

    [Allow(Role.Operator, Role.App + OrderStatusClient.AppId)]
    public override async Task<ReserveResponse> Reserve(ReserveRequest request, ServerCallContext context)
    {
        Check(request.Order);
        using var span = SagaTracing.Start($"reserve {appId.Name}", request.Order.OrderId);
        return await AnswerAsync(() => step.TryAsync(request.Order, context.CancellationToken));
    }

    [Allow(Role.Operator, Role.App + OrderStatusClient.AppId)]
    public override async Task<ReleaseResponse> Release(ReleaseRequest request, ServerCallContext context)
    {
        Check(request.Order);
        using var span = SagaTracing.Start($"release {appId.Name}", request.Order.OrderId);
        return await AnswerAsync(() => step.CancelAsync(request.Order, context.CancellationToken));
    }

    /// <exception cref="RejectedException">INVALID_ARGUMENT that names the wrong fields.</exception>
    private static void Check(IMessage? order)
    {
        var problem = order is null ? "must be set." : EventRules.Violations(order);
        new RequestCheck().Must(problem.Length == 0, "order", problem).ThrowIfInvalid();
    }

    /// <exception cref="RejectedException">FAILED_PRECONDITION: the order has ended otherwise.</exception>
    private static async Task<T> AnswerAsync<T>(Func<Task<T>> answer)
    {
        try
        {
            return await answer();
        }
        catch (UnprocessableEventException contradiction)
        {
            throw new RejectedException(new(StatusCode.FailedPrecondition, contradiction.Message));
        }
    }
}
