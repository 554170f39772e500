using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Saga.Tests.Fuzz;
using Shop.V1;

namespace Saga.Tests.Properties;

/// <summary>The contract of events: every valid event passes, and one broken field is named.</summary>
public sealed class EventRulesProperties
{
    private static readonly Gen<IMessage> ValidEvent =
        from order in Values.OrderIds
        from user in Values.Ids
        from hasCoupon in Gen.Elements(true, false)
        from coupon in Values.Ids
        from seed in Gen.Choose(0, int.MaxValue)
        from at in Gen.Choose(0, 11)
        select ValidEvents.Of(order, user, hasCoupon ? coupon : null, new System.Random(seed))[at];

    [Fact]
    public void Every_topic_is_generated()
    {
        var topics = ValidEvents.Of(Guid.Empty.ToString(), "u", null, new System.Random(1)).Select(e => new OutgoingEvent("", e).Topic).ToArray();
        Assert.Equal(12, topics.Distinct().Count());
    }

    [Fact]
    public void A_valid_event_passes_and_survives_the_wire() => Property.ForAll(ValidEvent, e =>
    {
        Assert.Equal("", EventRules.Violations(e));
        Assert.Same(e, EventRules.Read(new OutgoingEvent("", e).Topic, () => e));
    }, 1_000);

    [Fact]
    public void One_broken_field_fails_and_the_reason_names_it() => Property.ForAll(
        from e in ValidEvent
        from choice in Gen.Choose(0, int.MaxValue)
        select (Event: e.Descriptor.Parser.ParseFrom(e.ToByteArray()), Choice: choice),
        one =>
        {
            var breaks = Breaks(one.Event, "").ToArray();
            var (field, spoil) = breaks[one.Choice % breaks.Length];
            spoil();
            var topic = new OutgoingEvent("", one.Event).Topic;
            var refused = Assert.Throws<UnreadableEventException>(() => EventRules.Read(topic, () => one.Event));
            Assert.StartsWith($"It breaks the contract of the topic {topic}: ", refused.Message);
            Assert.Contains($"{field}:", refused.Message);
        }, 2_000);

    /// <summary>Each way to break one field, with the name under which it is reported.</summary>
    private static IEnumerable<(string Field, Action Spoil)> Breaks(IMessage e, string path)
    {
        foreach (var field in e.Descriptor.Fields.InDeclarationOrder())
        {
            var name = path + field.Name;
            var value = field.Accessor.GetValue(e);
            if (field.IsRepeated)
            {
                if (value is IList<OrderLine> lines)
                {
                    for (var at = 0; at < lines.Count; at++)
                    {
                        foreach (var inner in Breaks(lines[at], $"{name}[{at}].")) yield return inner;
                    }
                    yield return (name, lines.Clear);
                    yield return (name, () => lines.Add(lines[0].Clone()));
                }
                if (value is IList<Shop.V1.Step> steps)
                {
                    yield return (name, () => steps.Add(steps[0]));
                    yield return ($"{name}[{steps.Count}]", () => steps.Add((Shop.V1.Step)77));
                    yield return ($"{name}[{steps.Count}]", () => steps.Add(Shop.V1.Step.Unspecified));
                }
                if (value is IList<StepStatus> statuses)
                {
                    yield return (name, () => statuses.Add(statuses[0].Clone()));
                    yield return ($"{name}[0].step", () => statuses[0].Step = (Shop.V1.Step)(-1));
                }
                continue;
            }
            switch (field.FieldType)
            {
                case FieldType.String when field.Name == "order_id":
                    foreach (var wrong in (string[])["", "order-7", ((string)value).ToUpperInvariant() + "X", $"{{{value}}}", $" {value}", $"{value}\n"])
                    {
                        yield return (name, Set(e, field, wrong));
                    }
                    break;
                case FieldType.String when field.Name.EndsWith("_id", StringComparison.Ordinal):
                    foreach (var wrong in (string[])["", "a||b", "a b", "é", new('x', 65), "\ud83d\ude00", "a/b"]) yield return (name, Set(e, field, wrong));
                    break;
                case FieldType.String when field.Name == "reason":
                    foreach (var wrong in (string[])["", "because", "NO WAY", new('X', 65)]) yield return (name, Set(e, field, wrong));
                    break;
                case FieldType.String:
                    yield return (name, Set(e, field, new string('x', 1_001)));
                    break;
                case FieldType.Int32 when field.Name == "quantity":
                    foreach (var wrong in (int[])[0, -1, 1_001, int.MaxValue, int.MinValue]) yield return (name, Set(e, field, wrong));
                    break;
                case FieldType.Int64 when field.Name == "unit_price":
                    foreach (var wrong in (long[])[-1, 1_000_000_001, long.MaxValue, long.MinValue]) yield return (name, Set(e, field, wrong));
                    break;
                case FieldType.Int64 when field.Name is "total_amount" or "discount_amount" or "final_amount":
                    foreach (var wrong in (long[])[long.MinValue, -1, long.MaxValue]) yield return (name, Set(e, field, wrong));
                    break;
            }
        }
    }

    private static Action Set(IMessage e, FieldDescriptor field, object value) => () => field.Accessor.SetValue(e, value);
}
