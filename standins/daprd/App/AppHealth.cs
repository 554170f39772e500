namespace Daprd.App;

/// <param name="Threshold">Failures in a row that make an app unhealthy. One success makes it healthy again.</param>
internal sealed record HealthSettings(bool Enabled, TimeSpan Interval, TimeSpan Timeout, int Threshold)
{
    public static readonly HealthSettings Off = new(false, TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(500), 3);
}

/// <summary>Asks an app again and again whether it is well.</summary>
internal sealed class AppHealth(AppChannel app, HealthSettings settings)
{
    /// <summary>Runs until stopped. The app counts as unhealthy before its first success.</summary>
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
