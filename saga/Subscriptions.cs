using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Saga;

/// <summary>The topics a service subscribes to, and what handles the events of each.</summary>
public sealed class Subscriptions
{
    private readonly Dictionary<string, TopicHandler> subscribed = [];
    private readonly Dictionary<string, TopicHandler> redriven = [];

    public IReadOnlyCollection<string> Topics => subscribed.Keys;

    /// <summary>Subscribes to the topic of an event.</summary>
    /// <param name="handle">
    /// A fault of the world that it throws has the event delivered again; anything else sends the event to the dead letters at once.
    /// </param>
    /// <param name="step">What the handler does, as a trace shows it. Null: it only takes note.</param>
    public Subscriptions On<T>(Func<T, CancellationToken, Task> handle, string? step = null) where T : IMessage<T>, new()
    {
        subscribed.Add(OutgoingEvent.TopicOf(new T().Descriptor.Name), new(json => OutgoingEvent.FromJson<T>(json), (message, ct) => handle((T)message, ct), step));
        return this;
    }

    /// <summary>Has dead letters of a kind that no broker delivers redriven, such as reservations that a sweep could not handle.</summary>
    /// <param name="kind">Stands where an event has its topic.</param>
    /// <param name="handle">Gets the id of the order.</param>
    internal void OnRedrive(string kind, Func<string, CancellationToken, Task> handle) =>
        redriven.Add(kind, new(data => new StringValue { Value = data.ToStringUtf8() }, (order, ct) => handle(((StringValue)order).Value, ct), null));

    /// <summary>Null: this service does not subscribe to the topic.</summary>
    internal TopicHandler? On(string topic) => subscribed.GetValueOrDefault(topic);

    /// <summary>Null: nothing can be redriven from there.</summary>
    internal TopicHandler? OnRedriven(string topic) => subscribed.GetValueOrDefault(topic) ?? redriven.GetValueOrDefault(topic);
}

/// <summary>How an event of one topic is parsed, and what is done about it.</summary>
/// <param name="Parse">Throws <see cref="UnreadableEventException"/> for what is not the topic's event.</param>
internal sealed record TopicHandler(Func<ByteString, IMessage> Parse, Func<IMessage, CancellationToken, Task> HandleAsync, string? Step);
