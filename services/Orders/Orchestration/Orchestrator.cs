using System.Collections.Concurrent;
using Google.Protobuf;
using Grpc.Core;
using Shop.V1;

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

    /// <summary>By the name of the step.</summary>
    private readonly ConcurrentDictionary<string, string> problems = new();

    public void Dispose() => faults.Dispose();

    /// <summary>Why the last call of a participant by this process was not answered. Null: it was.</summary>
    public string? GetProblem(Step step) => problems.GetValueOrDefault(step.Name);

    /// <summary>Goes as far as the participants answer.</summary>
    /// <param name="mayCall">Asked before each call, with the order as it is. False: the call is not made.</param>
    /// <returns>The order as it is now. PENDING, or FAILED and not closed: a participant has not answered, or was not called.</returns>
    /// <exception cref="Dapr.DaprException">An answer could not be saved.</exception>
    public async Task<Order> RunAsync(Order order, Func<Order, Step, bool> mayCall, CancellationToken ct)
    {
        while (order.Status == OrderStatus.Pending && OrderDecisions.PendingSteps(order).FirstOrDefault() is { } step && mayCall(order, step))
        {
            if (await ReserveAsync(order, step, ct) is not { } answered) return order;
            order = answered;
        }
        if (order.Status != OrderStatus.Failed) return order;
        // One that does not answer does not keep the others from releasing.
        foreach (var step in OrderDecisions.PendingSteps(order).Reverse().ToArray())
        {
            if (!mayCall(order, step)) continue;
            order = await ReleaseAsync(order, step, ct) ?? order; // mutant: unanswered-call-not-released
        }
        return order;
    }

    /// <returns>Null: it has not answered.</returns>
    private async Task<Order?> ReserveAsync(Order order, Step step, CancellationToken ct)
    {
        if (await TryCallAsync("Reserve", order, step, () => participants.ReserveAsync(step, PlacingDecisions.ToCreatedEvent(order), ct)) is not { } answer) return null;
        OrderLog.Answered(log, step.Participant, "Reserve", order.Id, answer.Rejection?.Reason ?? "held");
        return await TryRecordAsync("Reserve", order, step, ToEvent(order, step, answer), (stored, at) => answer.Rejection is { } why
            ? OrderDecisions.StepFailed(stored, step, new(why.Reason, why.Detail), at)
            : OrderDecisions.StepSucceeded(stored, step, answer.Reference, at), ct);
    }

    /// <returns>Null: it has not answered.</returns>
    private async Task<Order?> ReleaseAsync(Order order, Step step, CancellationToken ct)
    {
        if (await TryCallAsync("Release", order, step, () => participants.ReleaseAsync(step, OrderDecisions.ToFailedEvent(order), ct)) is not { } answer) return null;
        OrderLog.Answered(log, step.Participant, "Release", order.Id, answer.Undone ? "released" : "nothing was held");
        return await TryRecordAsync("Release", order, step, answer, (stored, at) => OrderDecisions.StepCompensated(stored, step, answer.Undone, at), ct);
    }

    /// <returns>Null: an error, whatever its status, is no refusal. What it was asked for may be held.</returns>
    private async Task<T?> TryCallAsync<T>(string call, Order order, Step step, Func<Task<T>> make) where T : class
    {
        try
        {
            var answer = await make();
            problems.TryRemove(step.Name, out _);
            return answer;
        }
        // Another instance of it may be newer.
        catch (RpcException fault)
        {
            NotAnswered(call, order, step, fault.StatusCode == StatusCode.Unimplemented
                ? $"it has no {ParticipantService.Descriptor.FullName}, as before orchestrated orders; a newer version has to be installed (docs/upgrading.md)"
                : Faults.GetCause(fault));
            return null;
        }
    }

    /// <summary>An answer that breaks the contract, or contradicts an earlier one, counts as none: the order fails at its deadline, and is released.</summary>
    private async Task<Order?> TryRecordAsync(
        string call, Order order, Step step, IMessage answer, Func<Order?, DecisionContext, Decision<Order>> decide, CancellationToken ct)
    {
        try
        {
            return EventRules.Violations(answer) is { Length: > 0 } violations
                ? throw new UnprocessableEventException($"The answer breaks the contract: {violations}")
                : await orders.RecordAsync(order.Id, decide, ct);
        }
        catch (UnprocessableEventException contradiction)
        {
            NotAnswered(call, order, step, contradiction.Message);
            return null;
        }
    }

    /// <summary>The event that would say the same, whose rules an answer has to keep.</summary>
    private static IMessage ToEvent(Order order, Step step, ReserveResponse answer) => answer.Rejection is { } why
        ? new StepFailedEvent { OrderId = order.Id, Step = step.Name, Reason = why.Reason, Detail = why.Detail }
        : new StepSucceededEvent { OrderId = order.Id, Step = step.Name, Reference = answer.Reference };

    private void NotAnswered(string call, Order order, Step step, string problem)
    {
        problems[step.Name] = problem;
        if (faults.Begins($"{step.Name} {call}", problem)) OrderLog.NotAnswered(log, step.Participant, call, order.Id, problem);
    }
}
