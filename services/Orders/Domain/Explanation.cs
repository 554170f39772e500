using System.Globalization;

namespace Orders;

/// <summary>What an order waits for and what happens next, in sentences. Pure.</summary>
internal sealed record Explanation(IReadOnlyList<string> WaitsFor, string Next)
{
    /// <param name="getProblem">Why the last call of a participant was not answered. Null: it was, or another instance of Orders has made it.</param>
    public static Explanation Of(Order order, SagaSteps steps, SagaTimeouts timeouts, DateTimeOffset now, Func<Step, string?> getProblem)
    {
        var explanation = Of(order, timeouts, now, getProblem);
        string[] removed = [.. OrderDecisions.RemovedSteps(order, steps).Select(step => step.Participant)];
        return removed.Length == 0 ? explanation : explanation with
        {
            Next = $"The next sweep stops waiting for {string.Join(" and ", removed)}: not in Saga__Steps any more.",
        };
    }

    private static Explanation Of(Order order, SagaTimeouts timeouts, DateTimeOffset now, Func<Step, string?> getProblem) => order.Status switch
    {
        OrderStatus.Pending when order.Pattern == SagaPattern.Orchestration => new(
            [.. OrderDecisions.PendingSteps(order).Take(1).Select(step =>
                $"{step.Participant} has not answered the call Reserve, since {Seconds(now - order.LastChange)}{Because(getProblem(step))}.")],
            now - order.Placed >= timeouts.PayDeadline
                ? "Its deadline has passed; the next sweep fails it, and completed steps are released."
                : $"Orders calls again, after a crash once nothing has changed for {Seconds(timeouts.ResendAfter)}; "
                + $"{Seconds(order.Placed + timeouts.PayDeadline - now)} from now the order fails with reason DEADLINE."),
        OrderStatus.Failed when !order.IsClosed && order.Pattern == SagaPattern.Orchestration => new(
            [.. OrderDecisions.PendingSteps(order).Reverse().Select(step =>
                $"{step.Participant} has not answered the call Release ({Compensation(order[step]!)}), "
                + $"{Seconds(now - order.FinalAt!.Value)} after the order failed{Because(getProblem(step))}.")],
            $"Orders calls again, once nothing has changed for {Seconds(timeouts.ResendAfter)} and then with backoff, until every participant has released."),
        OrderStatus.Pending => new(
            [.. OrderDecisions.PendingSteps(order).Select(step =>
                $"{step.Participant} has answered neither {step.SuccessTopic} nor {step.FailureTopic}, "
                + $"since {Seconds(now - order.Placed)}.")],
            now - order.Placed >= timeouts.Deadline
                ? "Its deadline has passed; the next sweep fails it, and completed steps are compensated."
                : $"After {Seconds(timeouts.ResendAfter)} without an answer order-created is resent; "
                + $"{Seconds(order.Placed + timeouts.Deadline - now)} from now the order fails with reason DEADLINE."),
        OrderStatus.Failed when !order.IsClosed => new(
            [.. OrderDecisions.PendingSteps(order).Select(step =>
                $"{step.Participant} has not published {step.CompensationTopic} ({Compensation(order[step]!)}), "
                + $"{Seconds(now - order.FinalAt!.Value)} after the order failed.")],
            $"After {Seconds(timeouts.ResendAfter)} without an answer order-failed is resent, until every participant has compensated."),
        OrderStatus.Failed => new([], "Nothing: it has failed, and every participant has compensated."),
        OrderStatus.Confirmed => new([], "Nothing: it is confirmed; the participants settle what they hold."),
        OrderStatus.Abandoned => new([], "Nothing: it was never placed."),
    };

    /// <summary>How far a failed order is compensated, step by step. Empty: it has not failed.</summary>
    public static string GetCompensation(Order order) => order.Status != OrderStatus.Failed ? "" : string.Join(", ", order.Steps.Select(step =>
        $"{step.Step.Code} {(!step.Compensated ? "waiting" : step.State == StepState.Undone ? "done" : "nothing to undo")}"));

    private static string Compensation(StepRecord record) => record.State switch
    {
        StepState.Waiting => "it has not answered at all",
        StepState.Done => "it has something to undo",
        StepState.Refused => "it had rejected its step, so there should be nothing to undo",
        StepState.Undone or StepState.Skipped => "it has undone",
    };

    private static string Because(string? problem) => problem is null ? "" : $": {problem.TrimEnd('.')}";

    private static string Seconds(TimeSpan time) => $"{Math.Max(0, time.TotalSeconds).ToString("0.0", CultureInfo.InvariantCulture)} s";
}
