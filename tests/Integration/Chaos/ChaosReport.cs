using Shop.V1;

namespace Integration.Chaos;

/// <summary>What a run was, in a few lines.</summary>
internal sealed record ChaosReport(
    int Seed, IReadOnlyList<int> Instances, TimeSpan Duration, TimeSpan ToRest, IReadOnlyList<Order> Orders, int CallsAgain, FaultInjector Faults, LogStatistics LogStatistics,
    long DeadLetters, int SidecarsEnded, IReadOnlyList<InvariantViolation> Violations)
{
    public override string ToString() => $"""
        Chaos with seed {Seed} on {Instances[0]} Orders, {Instances[1]} Stock, {Instances[2]} Payments, {Instances[3]} Coupons: {Duration.TotalSeconds:0} s of duration, at rest {ToRest.TotalSeconds:0} s later.
          orders placed {Orders.Count}: {Count(OrderStatus.Confirmed)} confirmed, {Count(OrderStatus.Failed)} failed ({Reasons}); calls made again {CallsAgain}
          kill -9: {Faults.Done(Fault.KillService)} services, {Faults.Done(Fault.KillSidecar) + Faults.Done(Fault.LoseEvents)} sidecars, {Faults.Done(Fault.KillRedis)} Redis; frozen {Faults.Done(Fault.Freeze)}; pending events dropped {Faults.Dropped}
          events heard again {LogStatistics.Redelivered}, nudges {LogStatistics.Resends}, logs adopted {LogStatistics.Adopted}, dead letters {DeadLetters}, sidecars that gave up because Redis was away {SidecarsEnded}
          lost {Of(ViolationKind.Lost)}, doubled {Of(ViolationKind.Doubled)}, stuck {Of(ViolationKind.Stuck)}, contradictions {Of(ViolationKind.Contradiction)}
        """;

    private string Reasons => string.Join(", ", Orders.Where(order => order.Status == OrderStatus.Failed)
        .CountBy(order => order.Reason).OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Key} {reason.Value}"));

    private int Count(OrderStatus status) => Orders.Count(order => order.Status == status);

    private int Of(ViolationKind kind) => Violations.Count(violation => violation.Kind == kind);
}
