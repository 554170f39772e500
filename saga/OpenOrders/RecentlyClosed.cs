using System.Diagnostics.CodeAnalysis;

namespace Saga.OpenOrders;

/// <summary>
/// Orders that this process has closed, so that its sweep need not read their documents. One that is forgotten costs a read. None is believed for long: an
/// id may be used again when the records of its order have expired.
/// </summary>
/// <typeparam name="T">What is known of a closed order.</typeparam>
internal sealed class RecentlyClosed<T>(TimeProvider clock)
{
    /// <summary>Orders remembered, at least; twice as many at most. At 500 a second each is remembered for 100 s: a sweep visits it after 60 s by default.</summary>
    private const int Min = 50_000;

    /// <summary>Each is forgotten after one to three times this, even if there are few.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromMinutes(10);

    private readonly Lock gate = new();
    private long turned = clock.GetTimestamp();
    private Dictionary<string, T> newer = [], older = [];

    public void Add(string orderId, T known)
    {
        lock (gate)
        {
            TurnIfOld();
            if (newer.Count >= Min) (older, newer, turned) = (newer, [], clock.GetTimestamp());
            newer[orderId] = known;
        }
    }

    /// <returns>False: it was not closed here, or is forgotten.</returns>
    public bool TryGet(string orderId, [MaybeNullWhen(false)] out T known)
    {
        lock (gate)
        {
            TurnIfOld();
            return newer.TryGetValue(orderId, out known) || older.TryGetValue(orderId, out known);
        }
    }

    private void TurnIfOld()
    {
        var age = clock.GetElapsedTime(turned);
        if (age >= Turn) (older, newer, turned) = (age < 2 * Turn ? newer : [], [], clock.GetTimestamp());
    }
}
