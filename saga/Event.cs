using System.Text;
using Google.Protobuf;

namespace Saga;

/// <summary>Something said about an order, and how it travels.</summary>
/// <remarks>
/// The payload is the protobuf JSON mapping: there 64-bit numbers are strings, which survive brokers that read numbers as doubles.
/// </remarks>
public sealed record OutgoingEvent(string OrderId, IMessage Message)
{
    // An event heard may come from a newer sender: fields it added are not ours to refuse.
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <summary>OrderCreatedEvent travels on the topic order-created.</summary>
    public static string TopicOf(string messageName)
    {
        var topic = new StringBuilder();
        foreach (var letter in messageName.AsSpan(0, messageName.Length - "Event".Length))
        {
            if (char.IsUpper(letter) && topic.Length > 0) topic.Append('-');
            topic.Append(char.ToLowerInvariant(letter));
        }
        return topic.ToString();
    }

    public string Topic => TopicOf(Message.Descriptor.Name);

    /// <summary>The same fact always has the same id, however often it is said.</summary>
    public string Id => $"{OrderId}/{Message.Descriptor.Name}";

    /// <summary>The order that an event is about, from the event's id.</summary>
    public static string OrderIdOf(string id) => id.Split('/')[0];

    /// <summary>The full protobuf name.</summary>
    public string Type => Message.Descriptor.FullName;

    public byte[] ToJson() => Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(Message));

    /// <exception cref="UnreadableEventException">The bytes are not this event.</exception>
    public static T FromJson<T>(ByteString json) where T : IMessage<T>, new()
    {
        try
        {
            return Parser.Parse<T>(json.ToStringUtf8());
        }
        // Parsing is pure: whatever it throws, it throws again.
        catch (Exception problem)
        {
            throw new UnreadableEventException(problem.Message, problem);
        }
    }
}

/// <summary>What came on a topic is not the topic's event, and never will be.</summary>
public sealed class UnreadableEventException(string message, Exception? problem = null) : Exception(message, problem);
