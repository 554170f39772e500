using Shop.V1;

namespace Integration.Chaos;

/// <summary>What a run was, in a few lines.</summary>
internal sealed record Report(
    int Seed, IReadOnlyList<int> Instances, TimeSpan Torment, TimeSpan ToRest, IReadOnlyList<Order> Orders, int CallsAgain, Tormentor Tormentor, Heard Heard,
    long DeadLetters, int SidecarsEnded, IReadOnlyList<Breach> Breaches)
{
    public override string ToString() => $"""
        Chaos with seed {Seed} on {Instances[0]} Orders, {Instances[1]} Stock, {Instances[2]} Payments, {Instances[3]} Coupons: {Torment.TotalSeconds:0} s of torment, at rest {ToRest.TotalSeconds:0} s later.
          orders placed {Orders.Count}: {Count(OrderStatus.Confirmed)} confirmed, {Count(OrderStatus.Failed)} failed ({Reasons}); calls made again {CallsAgain}
          kill -9: {Tormentor.Done(Fault.KillService)} services, {Tormentor.Done(Fault.KillSidecar) + Tormentor.Done(Fault.LoseEvents)} sidecars, {Tormentor.Done(Fault.KillRedis)} Redis; frozen {Tormentor.Done(Fault.Freeze)}; pending events dropped {Tormentor.Dropped}
          events heard again {Heard.Again}, nudges {Heard.Nudges}, logs adopted {Heard.Adopted}, dead letters {DeadLetters}, sidecars that gave up because Redis was away {SidecarsEnded}
          lost {Of(Harm.Lost)}, doubled {Of(Harm.Doubled)}, stuck {Of(Harm.Stuck)}, contradictions {Of(Harm.Contradiction)}
        """;

    private string Reasons => string.Join(", ", Orders.Where(order => order.Status == OrderStatus.Failed)
        .CountBy(order => order.Reason).OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Key} {reason.Value}"));

    private int Count(OrderStatus status) => Orders.Count(order => order.Status == status);

    private int Of(Harm harm) => Breaches.Count(breach => breach.Harm == harm);
}
