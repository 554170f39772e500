using System.Collections.Concurrent;

namespace Integration.Chaos;

/// <summary>Kills, freezes and loses at random, every kind again and again.</summary>
/// <param name="random">What is done, in which order. When it happens is up to the machine as well.</param>
internal sealed class FaultInjector(ChaosShop shop, PendingEntries pending, Random random)
{
    private static readonly Fault[] Round =
        [Fault.KillService, Fault.KillService, Fault.KillSidecar, Fault.KillRedis, Fault.Freeze, Fault.LoseEvents];

    /// <summary>So long is waited for a sidecar to have something under way that can be lost.</summary>
    private static readonly TimeSpan LookMax = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<Fault, int> done = new();
    private readonly ConcurrentDictionary<Supervised, Fault> affected = new();
    private long dropped;

    /// <summary>Events that nobody ever saw.</summary>
    public long Dropped => dropped;

    public int Done(Fault fault) => done.GetValueOrDefault(fault);

    /// <summary>Completes when every process that was killed or frozen has been let go.</summary>
    public async Task RunAsync(TimeSpan time)
    {
        using var over = new CancellationTokenSource(time);
        List<Task> underWay = [];
        while (!over.IsCancellationRequested)
        {
            var round = Round.ToArray();
            random.Shuffle(round);
            foreach (var fault in round)
            {
                if (await ChooseTargetAsync(fault, over.Token) is { } target) underWay.Add(InjectAsync(target, fault));
            }
        }
        await Task.WhenAll(underWay);
    }

    /// <summary>After a pause, somebody who does not suffer already. Null: it is over.</summary>
    private async Task<Supervised?> ChooseTargetAsync(Fault fault, CancellationToken over)
    {
        try
        {
            await Task.Delay(Between(1, 3), over);
            while (true)
            {
                if (ChooseTarget(fault) is { } target) return target;
                await Task.Delay(50, over);
            }
        }
        catch (OperationCanceledException)
        {
            return null;
        }
    }

    private Supervised? ChooseTarget(Fault fault)
    {
        IEnumerable<Supervised> meant = fault switch
        {
            Fault.KillService => shop.Services,
            Fault.KillSidecar or Fault.LoseEvents => shop.Sidecars,
            Fault.KillRedis => [shop.Redis],
            Fault.Freeze => shop.All,
        };
        var free = meant.Where(process => !affected.ContainsKey(process)).ToArray();
        return free.Length == 0 ? null : free[random.Next(free.Length)];
    }

    private async Task InjectAsync(Supervised target, Fault fault)
    {
        affected[target] = fault;
        var (kill, freeze) = (Mostly(0.2, 3), ChaosShop.ProcessingTimeout + Mostly(0.5, 3));
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

    private async Task LoseEventsAsync(Supervised sidecar, TimeSpan away)
    {
        var appId = shop.AppIdOf(sidecar);
        // What its service does not answer stays pending until the sidecar is gone.
        var service = shop.ServiceOf(sidecar).Now;
        service.Signal("STOP");
        try
        {
            for (var until = DateTime.UtcNow + LookMax; DateTime.UtcNow < until && !await pending.AnyAsync(appId);) await Task.Delay(5);
            await sidecar.KillAsync(away, async () =>
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

    /// <summary>Near the least more often than near the most.</summary>
    private TimeSpan Mostly(double least, double most) => Between(least, Between(least, most).TotalSeconds);
}
