using Microsoft.Extensions.Options;
using Shop.V1;

namespace Orders;

/// <summary>The setting Saga:Steps.</summary>
internal static class SagaStepsSetting
{
    /// <summary>With an ending, the topics of other events: a participant of this name would have the same.</summary>
    private static readonly string[] Taken =
    [
        .. from message in EventsReflection.Descriptor.MessageTypes
           where message.Name.EndsWith("Event", StringComparison.Ordinal)
           let topic = OutgoingEvent.GetTopic(message.Name)
           from ending in (string[])[OutgoingEvent.GetSuccessTopic(""), OutgoingEvent.GetFailureTopic(""), OutgoingEvent.GetCompensationTopic("")]
           where topic.EndsWith(ending, StringComparison.Ordinal)
           select topic[..^ending.Length],
    ];

    /// <returns>The app ids of the participants that a new order waits for, 1 to 20, each once.</returns>
    /// <exception cref="OptionsValidationException">It is something else.</exception>
    public static SagaSteps Read(SettingReader settings)
    {
        var names = settings.AppIds("Saga:Steps", [.. Taken.Distinct()], string.Join(',', SagaSteps.Default.All.Select(step => step.Name)));
        settings.ThrowIfInvalid();
        return names is null ? SagaSteps.Default : SagaSteps.Of(names);
    }
}
