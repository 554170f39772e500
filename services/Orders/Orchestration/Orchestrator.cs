using Dapr;
using Grpc.Core;

namespace Orders;

/// <summary>Carries out an orchestrated order by calls: each participant in turn holds its part; when one refuses, all release in reverse.</summary>
/// <remarks>
/// An answer is saved before the next participant is called, and every call is idempotent per order. So a second run, after a crash or at the same time,
/// makes the next call again and gets the same answer. A participant that has not answered, or was never called, is released like one that holds its
/// part, and refuses a Reserve that arrives later.
/// </remarks>
internal sealed class Orchestrator(OrderStore orders, IParticipantCalls participants, TimeProvider clock, ILoggerFactory logs) : IDisposable
{
    private readonly ILogger log = logs.CreateLogger("Orders");

    /// <summary>An outage fails the calls of every order with the same message.</summary>
    private readonly FaultLog faults = new("Calls to participants", clock, logs.CreateLogger("Orders"), overWhenQuiet: true);

    public void Dispose() => faults.Dispose();

    /// <summary>Goes as far as the participants answer.</summary>
    /// <returns>
    /// The order as it is now. Unanswered: a sentence for each call that was not answered; empty: nothing more is to be called.
    /// </returns>
    public async Task<(Order Order, IReadOnlyList<string> Unanswered)> RunAsync(Order order, CancellationToken ct)
    {
        while (order.Status == OrderStatus.Pending && OrderDecisions.PendingSteps(order).FirstOrDefault() is { } step)
        {
            try
            {
                order = await ReserveAsync(order, step, ct);
            }
            catch (Exception fault) when (IsFault(fault))
            {
                return (order, [NotAnswered("Reserve", order, step, fault)]);
            }
        }
        return order.Status == OrderStatus.Failed ? await ReleaseAllAsync(order, ct) : (order, []);
    }

    /// <summary>As <see cref="RunAsync"/>.</summary>
    /// <exception cref="DaprException">A call was not answered.</exception>
    public async Task<Order> ContinueAsync(Order order, CancellationToken ct)
    {
        var (now, unanswered) = await RunAsync(order, ct);
        return unanswered.Count == 0 ? now : throw new DaprException(string.Join(' ', unanswered));
    }

    /// <summary>One that does not answer does not keep the others from releasing.</summary>
    private async Task<(Order, IReadOnlyList<string>)> ReleaseAllAsync(Order order, CancellationToken ct)
    {
        List<string> unanswered = [];
        foreach (var step in OrderDecisions.PendingSteps(order).Reverse().ToArray())
        {
            try
            {
                order = await ReleaseAsync(order, step, ct); // mutant: unanswered-call-not-released
            }
            catch (Exception fault) when (IsFault(fault))
            {
                unanswered.Add(NotAnswered("Release", order, step, fault));
            }
        }
        return (order, unanswered);
    }

    private async Task<Order> ReserveAsync(Order order, Step step, CancellationToken ct)
    {
        var answer = await participants.ReserveAsync(step, OrderDecisions.ToCreatedEvent(order), ct);
        OrderLog.Answered(log, step.Participant, "Reserve", order.Id, answer.Refusal?.Reason ?? "held");
        return await orders.RecordAsync(order.Id, (stored, at) => answer.Refusal is { } why
            ? OrderDecisions.StepFailed(stored, step, new(why.Reason, why.Detail), at)
            : OrderDecisions.StepSucceeded(stored, step, answer.Reference, at), ct);
    }

    private async Task<Order> ReleaseAsync(Order order, Step step, CancellationToken ct)
    {
        var answer = await participants.ReleaseAsync(step, OrderDecisions.ToFailedEvent(order), ct);
        OrderLog.Answered(log, step.Participant, "Release", order.Id, answer.Undone ? "released" : "nothing was held");
        return await orders.RecordAsync(order.Id, (stored, at) => OrderDecisions.StepCompensated(stored, step, answer.Undone, at), ct);
    }

    private string NotAnswered(string call, Order order, Step step, Exception fault)
    {
        if (faults.Begins($"{step.Name} {call}", Faults.GetCause(fault))) OrderLog.NotAnswered(log, step.Participant, call, order.Id, Faults.GetCause(fault));
        return $"{step.Participant} has not answered {call}: {Faults.GetCause(fault)}";
    }

    /// <summary>
    /// An error of a participant is no refusal, whatever its status: its part may be held. Nor is an answer that contradicts an earlier one; the order fails
    /// at its deadline then.
    /// </summary>
    private static bool IsFault(Exception fault) => fault is RpcException or UnprocessableEventException || Faults.IsTransient(fault);
}
