using Shop.V1;

namespace Integration.Chaos;

/// <summary>The summary of a run.</summary>
internal sealed record ChaosReport(
    int Seed, IReadOnlyList<int> Instances, TimeSpan Duration, TimeSpan QuiescedAfter, IReadOnlyList<Order> Orders, int Retries,
    FaultInjector Faults, LogStatistics Log, long DeadLetters, int SidecarsEnded, IReadOnlyList<InvariantViolation> Violations)
{
    public override string ToString() => $"""
        Chaos with seed {Seed} on {Instances[0]} Orders, {Instances[1]} Stock, {Instances[2]} Payments, {Instances[3]} Coupons: {Duration.TotalSeconds:0} s of faults, quiescent {QuiescedAfter.TotalSeconds:0} s later.
          orders placed {Orders.Count}: {Count(OrderStatus.Confirmed)} confirmed, {Count(OrderStatus.Failed)} failed ({Reasons}); calls retried {Retries}
          kill -9: {Faults.GetCount(Fault.KillService)} services, {Faults.GetCount(Fault.KillSidecar) + Faults.GetCount(Fault.LoseEvents)} sidecars, {Faults.GetCount(Fault.KillRedis)} Redis; frozen {Faults.GetCount(Fault.Freeze)}; pending events dropped {Faults.DroppedEvents}
          events redelivered {Log.Redelivered}, resends {Log.Resends}, logs taken over {Log.TakeOvers}, dead letters {DeadLetters}, sidecars that exited because Redis was down {SidecarsEnded}
          lost {CountViolations(ViolationKind.Lost)}, doubled {CountViolations(ViolationKind.Doubled)}, stuck {CountViolations(ViolationKind.Stuck)}, contradictions {CountViolations(ViolationKind.Contradiction)}
        """;

    private string Reasons => string.Join(", ", Orders.Where(order => order.Status == OrderStatus.Failed)
        .CountBy(order => order.Reason).OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Key} {reason.Value}"));

    private int Count(OrderStatus status) => Orders.Count(order => order.Status == status);

    private int CountViolations(ViolationKind kind) => Violations.Count(violation => violation.Kind == kind);
}
