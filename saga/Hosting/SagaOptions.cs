namespace Saga.Hosting;

/// <summary>The settings of the saga: Saga:Deadline and the like, as environment variables Saga__Deadline.</summary>
internal sealed class SagaOptions
{
    /// <summary>Read by Orders alone.</summary>
    private const string Steps = "Steps";

    /// <summary>An order that is PENDING for longer fails; a participant asks Orders for the outcome of a reservation that is older. 1 s to 24 h.</summary>
    public TimeSpan Deadline { get; private init; }

    /// <summary>An open order whose last change is older gets its last event resent. 100 ms to 1 h.</summary>
    public TimeSpan ResendAfter { get; private init; }

    /// <summary>An orchestrated order that is PENDING for longer fails. 1 s to 10 min.</summary>
    public TimeSpan PayDeadline { get; private init; }

    /// <summary>Of each call to a participant of an orchestrated order. 100 ms to 1 min, and at most <see cref="PayDeadline"/>.</summary>
    public TimeSpan CallTimeout { get; private init; }

    /// <summary>From the end of a sweep to the start of the next. 50 ms to 10 min.</summary>
    public TimeSpan SweepPeriod { get; private init; }

    /// <summary>After SIGTERM the service is not ready, and serves on for this time before it stops listening. 0 to 1 min.</summary>
    public TimeSpan DrainDelay { get; private init; }

    /// <summary>Events are delivered in batches.</summary>
    public bool BulkSubscribe { get; private init; }

    /// <summary>Concurrent calls to the sidecar share a call, and concurrent updates of one document a read and a write.</summary>
    public bool Batching { get; private init; }

    /// <summary>An update skips the read of a document that this process has just written.</summary>
    public bool Caching { get; private init; }

    /// <summary>Requests that a service has in progress, at most; over it RESOURCE_EXHAUSTED. 1 to 100,000.</summary>
    public int RequestsMax { get; private init; }

    /// <summary>Streams that a service has open, at most; over it RESOURCE_EXHAUSTED. 1 to 100,000.</summary>
    public int StreamsMax { get; private init; }

    /// <summary>
    /// Open orders at one instance of Orders, at most; over it RESOURCE_EXHAUSTED: more would only wait, and be resent. 1 to 1,000,000.
    /// </summary>
    public int OpenOrdersMax { get; private init; }

    /// <summary>Open orders of one user at one instance of Orders, at most; over it RESOURCE_EXHAUSTED. 1 to 1,000,000.</summary>
    public int OpenOrdersPerUserMax { get; private init; }

    internal static SagaOptions Read(SettingReader settings)
    {
        settings.OnlyKnown("Saga", nameof(Deadline), nameof(ResendAfter), nameof(PayDeadline), nameof(CallTimeout), nameof(SweepPeriod), nameof(DrainDelay), Steps,
            nameof(BulkSubscribe), nameof(Batching), nameof(Caching), nameof(RequestsMax), nameof(StreamsMax), nameof(OpenOrdersMax), nameof(OpenOrdersPerUserMax));
        var options = new SagaOptions
        {
            Deadline = settings.Duration("Saga:Deadline", TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)),
            ResendAfter = settings.Duration("Saga:ResendAfter", TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1)),
            PayDeadline = settings.Duration("Saga:PayDeadline", TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10)),
            CallTimeout = settings.Duration("Saga:CallTimeout", TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1)),
            SweepPeriod = settings.Duration("Saga:SweepPeriod", TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(50), TimeSpan.FromMinutes(10)),
            DrainDelay = settings.Duration("Saga:DrainDelay", TimeSpan.FromSeconds(1), TimeSpan.Zero, TimeSpan.FromMinutes(1)),
            BulkSubscribe = settings.Flag("Saga:BulkSubscribe", false),
            Batching = settings.Flag("Saga:Batching", true),
            Caching = settings.Flag("Saga:Caching", true),
            RequestsMax = settings.Number("Saga:RequestsMax", 1_000, 1, 100_000),
            StreamsMax = settings.Number("Saga:StreamsMax", 1_000, 1, 100_000),
            OpenOrdersMax = settings.Number("Saga:OpenOrdersMax", 500, 1, 1_000_000),
            OpenOrdersPerUserMax = settings.Number("Saga:OpenOrdersPerUserMax", 250, 1, 1_000_000),
        };
        settings.Must(options.CallTimeout <= options.PayDeadline, "Saga:CallTimeout",
            "must not be longer than Saga__PayDeadline, such as 2s for a deadline of 10s: an order would fail while its first call is still waited for.");
        return options;
    }
}
