namespace Saga.Telemetry;

/// <summary>Event ids have the form order id / message name.</summary>
internal static class EventIds
{
    /// <summary>The order of an event. An id of another form is returned up to its first slash.</summary>
    public static string GetOrderId(string eventId) => eventId.Split('/')[0];
}
