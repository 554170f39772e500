namespace Daprd.App;

/// <param name="Threshold">Consecutive failures after which the app is unhealthy. One success makes it healthy again.</param>
internal sealed record HealthSettings(bool Enabled, TimeSpan Interval, TimeSpan Timeout, int Threshold);

/// <summary>Probes the app's health periodically.</summary>
internal sealed class AppHealth(AppChannel app, HealthSettings settings)
{
    /// <summary>Runs until cancelled. The app is unhealthy before the first successful probe.</summary>
    public async Task WatchAsync(Func<bool, Task> changed, CancellationToken ct)
    {
        var (failures, isHealthy) = (0, false);
        using var timer = new PeriodicTimer(settings.Interval);
        do
        {
            if (await app.ProbeAsync(settings.Timeout, ct))
            {
                failures = 0;
                if (!isHealthy) await BecomeAsync(true);
            }
            else if (++failures >= settings.Threshold && isHealthy)
            {
                await BecomeAsync(false);
            }
        }
        while (await timer.WaitForNextTickAsync(ct));

        async Task BecomeAsync(bool healthy)
        {
            isHealthy = healthy;
            await changed(healthy);
        }
    }
}
