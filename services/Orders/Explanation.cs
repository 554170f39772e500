using System.Globalization;
using Shop.V1;

namespace Orders;

/// <summary>What an order waits for, and what will be done about it, in words. Pure.</summary>
internal sealed record Explanation(IReadOnlyList<string> WaitsFor, string Next)
{
    public static Explanation Of(Order order, SagaTimeouts timeouts, DateTimeOffset now) => order.Status switch
    {
        OrderStatus.Pending => new(
            [.. OrderDecisions.PendingSteps(order).Select(step =>
                $"{OrderDecisions.Name(step)} has answered neither {OrderDecisions.SuccessOf(step)} nor {OrderDecisions.FailureOf(step)}, "
                + $"since {Seconds(now - order.Placed)}.")],
            now - order.Placed >= timeouts.Deadline
                ? "Its deadline has passed; the next sweep ends it as FAILED, and whatever was done is undone."
                : $"When nothing is heard for {Seconds(timeouts.ResendAfter)}, order-created is said again; "
                + $"{Seconds(order.Placed + timeouts.Deadline - now)} from now the order fails with reason DEADLINE."),
        OrderStatus.Failed when !order.IsClosed => new(
            [.. OrderDecisions.PendingSteps(order).Select(step =>
                $"{OrderDecisions.Name(step)} has not said {OrderDecisions.CompensationOf(step)} ({Compensation(order, step)}), "
                + $"{Seconds(now - order.FinalAt!.Value)} after the order failed.")],
            $"When nothing is heard for {Seconds(timeouts.ResendAfter)}, order-failed is said again, until everybody has answered."),
        OrderStatus.Failed => new([], "Nothing: it has failed, and everybody has said that nothing of it is left."),
        OrderStatus.Confirmed => new([], "Nothing: it is confirmed; what the participants held becomes final."),
        OrderStatus.Abandoned => new([], "Nothing: it was never placed."),
    };

    /// <summary>How far a failed order is undone, step by step. Empty: it has not failed.</summary>
    public static string CompensationOf(Order order) => order.Status != OrderStatus.Failed ? "" : string.Join(", ", Order.Steps.Select(step =>
        $"{step.ToString().ToUpperInvariant()} {(!order[step].Compensated ? "waiting" : order[step].State == StepState.Undone ? "done" : "nothing to undo")}"));

    private static string Compensation(Order order, Step step) => order[step].State switch
    {
        StepState.Waiting => "it has not been heard at all",
        StepState.Done => "it has something to undo",
        StepState.Refused => "it had refused, so there should be nothing to undo",
        StepState.Undone or StepState.Skipped => "it has undone",
    };

    private static string Seconds(TimeSpan time) => $"{Math.Max(0, time.TotalSeconds).ToString("0.0", CultureInfo.InvariantCulture)} s";
}
