using Grpc.Core;
using Orders;
using Shop.V1;

namespace Saga.Tests;

/// <summary>
/// The calls of one instance of Orders to the participants: a call can be lost before it arrives, or its answer after it took effect; and the called
/// instance can crash or take too long, while the call goes on.
/// </summary>
/// <param name="pick">An instance of an app, by the seed. Null: none runs.</param>
internal sealed class SimulatedParticipants(World world, Func<SidecarFaults> faults, Func<bool> dead, Func<string, Instance?> pick) : IParticipantCalls
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(2);

    public Task<ReserveResponse> ReserveAsync(Step step, OrderCreatedEvent order, CancellationToken ct) =>
        CallAsync(step, $"Reserve {order.OrderId}", order, called => called.TryAsync(order, default));

    public Task<ReleaseResponse> ReleaseAsync(Step step, OrderFailedEvent order, CancellationToken ct) =>
        CallAsync(step, $"Release {order.OrderId}", order, called => called.CancelAsync(order, default));

    private async Task<T> CallAsync<T>(Step step, string call, Google.Protobuf.IMessage order, Func<IOrderStep, Task<T>> make)
    {
        // As ParticipantGrpcService checks it.
        if (EventRules.Violations(order) is { Length: > 0 } violations) throw new InvalidOperationException($"{call} breaks the contract: {violations}");
        // Suspended before the call, as before an operation of the sidecar.
        await world.TurnAsync(dead, world.Happens(faults().Pauses) ? TimeSpan.FromSeconds(world.Chance.Next(1, 120)) : default);
        if (world.Happens(faults().Fails) || pick(step.Name) is not { } instance) throw NotAnswered(call);
        world.Note(() => $"orders calls {step.Name}: {call}");
        var answer = new TaskCompletionSource<T>();
        instance.OnCrash += Break;
        world.Later(Timeout, Break);
        world.Later(default, async () =>
        {
            try
            {
                answer.TrySetResult(await make(instance.Step!));
            }
            catch (Exception fault) when (Faults.IsTransient(fault) || fault is UnprocessableEventException)
            {
                answer.TrySetException(NotAnswered($"{call}: {fault.Message}"));
            }
        });
        try
        {
            var answered = await answer.Task;
            if (world.Happens(faults().FailsAfter)) throw NotAnswered(call);
            return answered;
        }
        finally
        {
            instance.OnCrash -= Break;
            await world.TurnAsync(dead);
        }

        void Break() => answer.TrySetException(NotAnswered(call));
    }

    private static RpcException NotAnswered(string call) => new(new(StatusCode.Unavailable, $"{call} was not answered."));
}
