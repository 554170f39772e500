namespace Saga.Dapr;

/// <summary>The Dapr app id of this service.</summary>
internal sealed record AppId(string Name)
{
    /// <summary>The topic to which the sidecar moves events that it could not deliver.</summary>
    public string DeadLetterTopic => $"{Name}-dead-letters";
}
