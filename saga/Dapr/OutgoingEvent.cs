using System.Text;
using Google.Protobuf;
using Shop.V1;

namespace Saga.Dapr;

/// <summary>An event about an order, and its wire format.</summary>
/// <remarks>
/// The payload is the protobuf JSON mapping: there 64-bit numbers are strings, which survive brokers that read numbers as doubles.
/// </remarks>
public sealed record OutgoingEvent(string OrderId, IMessage Message)
{
    // A newer publisher may have added fields.
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <summary>The topic of an event: order-created for OrderCreatedEvent.</summary>
    internal static string GetTopic(string messageName)
    {
        var topic = new StringBuilder();
        foreach (var letter in messageName.AsSpan(0, messageName.Length - "Event".Length))
        {
            if (char.IsUpper(letter) && topic.Length > 0) topic.Append('-');
            topic.Append(char.ToLowerInvariant(letter));
        }
        return topic.ToString();
    }

    /// <summary>The topic on which a participant without events of its own publishes success; the next two: failure, and compensation.</summary>
    internal static string GetSuccessTopic(string step) => $"{step}-succeeded";

    internal static string GetFailureTopic(string step) => $"{step}-failed";

    internal static string GetCompensationTopic(string step) => $"{step}-compensated";

    internal string Topic => Message switch
    {
        StepSucceededEvent answer => GetSuccessTopic(answer.Step),
        StepFailedEvent answer => GetFailureTopic(answer.Step),
        StepCompensatedEvent answer => GetCompensationTopic(answer.Step),
        _ => GetTopic(Message.Descriptor.Name),
    };

    /// <summary>Deterministic: a resent event has the same id, so that consumers and operators recognise duplicates.</summary>
    internal string Id => Message is StepSucceededEvent or StepFailedEvent or StepCompensatedEvent
        ? $"{OrderId}/{Topic}"
        : $"{OrderId}/{Message.Descriptor.Name}";

    /// <summary>The full protobuf name.</summary>
    internal string Type => Message.Descriptor.FullName;

    internal byte[] ToJson() => Encoding.UTF8.GetBytes(JsonFormatter.Default.Format(Message));

    /// <exception cref="UnreadableEventException">The bytes are not this event.</exception>
    internal static T FromJson<T>(ByteString json) where T : IMessage<T>, new()
    {
        try
        {
            return Parser.Parse<T>(json.ToStringUtf8());
        }
        // Parsing is pure: a retry would throw the same.
        catch (Exception problem)
        {
            throw new UnreadableEventException(problem.Message, problem);
        }
    }
}
