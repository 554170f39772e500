using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Saga.Dapr;

namespace Saga.Messaging;

/// <summary>The topics that a service subscribes to, and their handlers.</summary>
public sealed class Subscriptions
{
    private readonly Dictionary<string, TopicHandler> subscribed = [];
    private readonly Dictionary<string, TopicHandler> redriven = [];

    internal Subscriptions()
    {
    }

    /// <summary>Events are delivered in batches.</summary>
    internal bool InBulk { get; init; }

    internal IReadOnlyCollection<string> Topics => subscribed.Keys;

    /// <summary>Subscribes to the topic of an event, once: SlotBookedEvent is on slot-booked.</summary>
    /// <param name="handle">
    /// A transient fault that it throws gets the event redelivered: RpcException other than INVALID_ARGUMENT, DaprException, HttpRequestException, IOException,
    /// SocketException, TimeoutException, OperationCanceledException. Any other exception makes it a dead letter at once.
    /// </param>
    /// <param name="spanName">What the handler does. Null: it only records the event.</param>
    /// <param name="onDeadLetter">
    /// Releases, or tracks again, what attempts at an event have left once it has become a dead letter; called until it succeeds. Null: nothing is
    /// left of a failed attempt, or something else finishes it.
    /// </param>
    /// <exception cref="ArgumentException">The name of the message does not end in Event, or it is subscribed to already.</exception>
    public Subscriptions On<T>(Func<T, CancellationToken, Task> handle, string? spanName = null, Func<T, CancellationToken, Task>? onDeadLetter = null)
        where T : IMessage<T>, new()
    {
        var name = new T().Descriptor.Name;
        return name.EndsWith("Event", StringComparison.Ordinal)
            ? On(OutgoingEvent.GetTopic(name), handle, spanName, onDeadLetter)
            : throw new ArgumentException($"The name of the message {name} must end in Event: its topic is the rest.");
    }

    /// <summary>Subscribes to an event on a topic that its name does not tell.</summary>
    internal Subscriptions On<T>(
        string topic, Func<T, CancellationToken, Task> handle, string? spanName = null, Func<T, CancellationToken, Task>? onDeadLetter = null)
        where T : IMessage<T>, new()
    {
        subscribed.Add(
            topic,
            new(json => OutgoingEvent.FromJson<T>(json), (message, ct) => handle((T)message, ct), spanName,
                onDeadLetter is null ? null : (message, ct) => onDeadLetter((T)message, ct)));
        return this;
    }

    /// <summary>Redrives dead letters that are not events, such as reservations that a sweep could not handle.</summary>
    /// <param name="kind">Takes the place of the topic in the dead letter.</param>
    /// <param name="handle">Gets the data of the dead letter.</param>
    internal void OnRedrive(string kind, Func<string, CancellationToken, Task> handle) =>
        redriven.Add(kind, new(data => new StringValue { Value = data.ToStringUtf8() }, (data, ct) => handle(((StringValue)data).Value, ct), null));

    /// <summary>Null: this service does not subscribe to the topic.</summary>
    internal TopicHandler? On(string topic) => subscribed.GetValueOrDefault(topic);

    /// <summary>Null: dead letters of this topic or kind cannot be redriven here.</summary>
    internal TopicHandler? OnRedriven(string topic) => subscribed.GetValueOrDefault(topic) ?? redriven.GetValueOrDefault(topic);
}

/// <summary>Parses and handles the events of one topic.</summary>
/// <param name="Parse">Throws <see cref="UnreadableEventException"/> when the bytes are not the topic's event.</param>
internal sealed record TopicHandler(
    Func<ByteString, IMessage> Parse, Func<IMessage, CancellationToken, Task> HandleAsync, string? SpanName,
    Func<IMessage, CancellationToken, Task>? RecoverDeadLetteredAsync = null);
