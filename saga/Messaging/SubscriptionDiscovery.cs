namespace Saga.Messaging;

/// <summary>Records that the sidecar has read the subscriptions of this process.</summary>
internal sealed class SubscriptionDiscovery
{
    private volatile bool read;

    public bool IsRead => read;

    public void SetRead() => read = true;
}
