using System.Collections.Concurrent;

namespace Integration.Chaos;

/// <summary>Injects faults of all kinds in rounds of random order, into random processes.</summary>
/// <param name="random">Determines faults and targets; their timing depends on the machine too.</param>
internal sealed class FaultInjector(ChaosShop shop, PendingEntries pending, Random random)
{
    private static readonly Fault[] Round =
        [Fault.KillService, Fault.KillService, Fault.KillSidecar, Fault.KillRedis, Fault.Freeze, Fault.LoseEvents];

    /// <summary>Maximum wait for a sidecar to have pending events.</summary>
    private static readonly TimeSpan PendingTimeout = TimeSpan.FromSeconds(3);

    /// <summary>Further attempts at losing events, at most, when a run has lost none.</summary>
    private const int LossAttempts = 10;

    private readonly ConcurrentDictionary<Fault, int> done = new();
    private readonly ConcurrentDictionary<Supervised, Fault> affected = new();
    private long dropped;

    /// <summary>Number of events that were lost.</summary>
    public long DroppedEvents => dropped;

    /// <summary>Number of completed faults of a kind.</summary>
    public int GetCount(Fault fault) => done.GetValueOrDefault(fault);

    /// <summary>Injects faults for a time, and until events were lost; completes when all killed and frozen processes run again.</summary>
    public async Task RunAsync(TimeSpan time)
    {
        using var end = new CancellationTokenSource(time);
        List<Task> underWay = [];
        while (!end.IsCancellationRequested)
        {
            var round = Round.ToArray();
            random.Shuffle(round);
            foreach (var fault in round)
            {
                if (await ChooseTargetAsync(fault, end.Token) is { } target) underWay.Add(InjectAsync(target, fault));
            }
        }
        await Task.WhenAll(underWay);
        // Few sidecars were chosen to lose events, and while Redis is down, or nothing is pending, none can be dropped.
        for (var attempt = 0; DroppedEvents == 0 && attempt < LossAttempts; attempt++)
        {
            if (ChooseTarget(Fault.LoseEvents) is { } target) await InjectAsync(target, Fault.LoseEvents);
        }
    }

    /// <summary>After a pause, a process that has no fault already. Null: cancelled.</summary>
    private async Task<Supervised?> ChooseTargetAsync(Fault fault, CancellationToken ct)
    {
        try
        {
            await Task.Delay(Between(1, 3), ct);
            while (true)
            {
                if (ChooseTarget(fault) is { } target) return target;
                await Task.Delay(50, ct);
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private Supervised? ChooseTarget(Fault fault)
    {
        IEnumerable<Supervised> candidates = fault switch
        {
            Fault.KillService => shop.Services,
            Fault.KillSidecar or Fault.LoseEvents => shop.Sidecars,
            Fault.KillRedis => [shop.Redis],
            Fault.Freeze => shop.All,
        };
        var free = candidates.Where(process => !affected.ContainsKey(process)).ToArray();
        return free.Length == 0 ? null : free[random.Next(free.Length)];
    }

    private async Task InjectAsync(Supervised target, Fault fault)
    {
        affected[target] = fault;
        var (kill, freeze) = (BiasedBetween(0.2, 3), ChaosShop.ProcessingTimeout + BiasedBetween(0.5, 3));
        switch (fault)
        {
            case Fault.KillService or Fault.KillSidecar or Fault.KillRedis:
                await target.KillAsync(kill);
                break;
            case Fault.Freeze:
                await target.FreezeAsync(freeze);
                break;
            case Fault.LoseEvents:
                await LoseEventsAsync(target, kill);
                break;
        }
        done.AddOrUpdate(fault, 1, (_, times) => times + 1);
        affected.TryRemove(target, out _);
    }

    private async Task LoseEventsAsync(Supervised sidecar, TimeSpan downtime)
    {
        var appId = shop.GetAppId(sidecar);
        // While its service is stopped, events stay pending.
        var service = shop.GetService(sidecar).Now;
        service.Signal("STOP");
        try
        {
            for (var until = DateTime.UtcNow + PendingTimeout; DateTime.UtcNow < until && !await pending.AnyAsync(appId);) await Task.Delay(5);
            await sidecar.KillAsync(downtime, async () =>
            {
                Interlocked.Add(ref dropped, await pending.DropAsync(appId));
                service.Signal("CONT");
            });
        }
        finally
        {
            service.Signal("CONT");
        }
    }

    private TimeSpan Between(double least, double most) => TimeSpan.FromSeconds(least + random.NextDouble() * (most - least));

    /// <summary>A random time, more often near the minimum than near the maximum.</summary>
    private TimeSpan BiasedBetween(double least, double most) => Between(least, Between(least, most).TotalSeconds);
}
