namespace Daprd.Resiliency;

/// <summary>Refuses attempts for a while after too many failures in a row.</summary>
internal sealed class CircuitBreaker(BreakerRule rule, TimeProvider time)
{
    private readonly Lock _gate = new();
    private int _failures;
    private int _probes;
    private long _openedAt;
    private bool _open;

    public bool Admits()
    {
        lock (_gate)
        {
            if (!_open) return true;
            if (time.GetElapsedTime(_openedAt) < rule.OpenFor || _probes >= rule.Probes) return false;
            _probes++;
            return true;
        }
    }

    public void Record(bool success)
    {
        lock (_gate)
        {
            if (success)
            {
                _failures = 0;
                _open = false;
            }
            else if (++_failures >= rule.TripAfter || _open)
            {
                _open = true;
                _openedAt = time.GetTimestamp();
            }

            _probes = 0;
        }
    }
}

/// <summary>The breaker is open: nothing was attempted.</summary>
internal sealed class CircuitOpenException() : Exception("circuit breaker is open");
