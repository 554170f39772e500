namespace Daprd.Resiliency;

/// <summary>
/// Closed, it lets everything pass and counts; when a failure meets the trip condition it opens and refuses everything for a while;
/// then, half open, it lets a few attempts pass: one failure opens it again, as many successes close it.
/// An attempt that ends in another state than it began in does not count.
/// </summary>
internal sealed class CircuitBreaker(BreakerRule rule, TimeProvider time)
{
    private readonly Lock _gate = new();
    private State _state = State.Closed;
    private BreakerCounts _counts;
    private int _generation;
    private long _since = time.GetTimestamp();

    private enum State
    {
        Closed,
        Open,
        HalfOpen,
    }

    /// <summary>The generation to record the outcome under. Throws <see cref="CircuitOpenException"/> when the attempt must not be made.</summary>
    public int Enter()
    {
        lock (_gate)
        {
            Advance();
            if (_state == State.Open) throw new CircuitOpenException("circuit breaker is open");
            if (_state == State.HalfOpen && _counts.Requests >= rule.Probes) throw new CircuitOpenException("too many requests");
            _counts = _counts with { Requests = _counts.Requests + 1 };
            return _generation;
        }
    }

    public void Record(int generation, bool success)
    {
        lock (_gate)
        {
            Advance();
            if (generation != _generation) return;
            _counts = _counts.After(success);
            if (success && _state == State.HalfOpen && _counts.ConsecutiveSuccesses >= rule.Probes) Become(State.Closed);
            else if (!success && (_state == State.HalfOpen || rule.Trip.IsMet(_counts))) Become(State.Open);
        }
    }

    private void Advance()
    {
        var elapsed = time.GetElapsedTime(_since);
        if (_state == State.Open && elapsed >= rule.OpenFor) Become(State.HalfOpen);
        else if (_state == State.Closed && rule.Interval > TimeSpan.Zero && elapsed >= rule.Interval) Become(State.Closed);
    }

    private void Become(State state)
    {
        _state = state;
        _counts = default;
        _generation++;
        _since = time.GetTimestamp();
    }
}

/// <summary>The breaker refuses: nothing was attempted.</summary>
internal sealed class CircuitOpenException(string message) : Exception(message);
