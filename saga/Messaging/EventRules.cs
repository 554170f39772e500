using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Saga.Commands;
using Saga.Dapr;
using Shop.V1;

namespace Saga.Messaging;

/// <summary>
/// Validates events against the contract of protos/shop/v1/events.proto beyond its types: canonical ids, ranges, known enum values, amounts that
/// add up. Any client of a sidecar can publish, so an event is untrusted input like a request. Pure.
/// </summary>
internal static class EventRules
{
    private const int QuantityMax = 1_000, ItemsMax = 100, DetailMax = FailureReason.DetailMax;
    private const long UnitPriceMax = 1_000_000_000;

    /// <summary>Parses and validates the event of a topic.</summary>
    /// <exception cref="UnreadableEventException">It is not the topic's event, or breaks its contract; the message names every wrong field.</exception>
    public static IMessage Read(string topic, Func<IMessage> parse)
    {
        IMessage e;
        try
        {
            e = parse();
        }
        catch (UnreadableEventException unreadable)
        {
            throw new UnreadableEventException($"It is not the event of the topic {topic}: {unreadable.Message}", unreadable);
        }
        return Violations(e) is { Length: > 0 } violations
            ? throw new UnreadableEventException($"It breaks the contract of the topic {topic}: {violations}")
            : e;
    }

    /// <returns>Sentences that name every wrong field. Empty: the event is valid.</returns>
    public static string Violations(IMessage e)
    {
        var check = new RequestCheck();
        CheckFields(check, "", e);
        switch (e)
        {
            case OrderCreatedEvent order:
                CheckAmounts(check, order.Items, order.TotalAmount, order.DiscountAmount, order.FinalAmount);
                NoneTwice(check, "steps", order.Steps);
                break;
            case OrderFailedEvent order:
                CheckAmounts(check, order.Items, order.TotalAmount, order.DiscountAmount, order.FinalAmount);
                NoneTwice(check, "completed_steps", order.CompletedSteps);
                NoneTwice(check, "steps", order.Steps);
                break;
            case OrderConfirmedEvent order:
                CheckAmounts(check, order.Items, order.TotalAmount, order.DiscountAmount, order.FinalAmount);
                NoneTwice(check, "steps", order.Steps.Select(status => (status.Step, status.Name)));
                break;
        }
        return string.Join(' ', check.Violations.Select(violation => $"{violation.Field}: {violation.Description}"));
    }

    /// <summary>By field name and type, so that the events of a new participant are checked without new code.</summary>
    private static void CheckFields(RequestCheck check, string path, IMessage message)
    {
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (field.HasPresence && !field.Accessor.HasValue(message)) continue;
            var value = field.Accessor.GetValue(message);
            if (field.IsMap || value is not IList many)
            {
                CheckField(check, path + field.Name, field, value);
                continue;
            }
            check.Range(path + field.Name, many.Count, 0, ItemsMax);
            for (var at = 0; at < Math.Min(many.Count, ItemsMax); at++) CheckField(check, $"{path}{field.Name}[{at}]", field, many[at]!);
        }
    }

    private static void CheckField(RequestCheck check, string path, FieldDescriptor field, object value)
    {
        switch (field.FieldType)
        {
            case FieldType.String when field.Name == "order_id":
                check.CanonicalOrderId(path, (string)value);
                break;
            case FieldType.String when field.Name.EndsWith("_id", StringComparison.Ordinal):
                check.Id(path, (string)value);
                break;
            case FieldType.String when field.Name == "reason":
                check.Must(FailureReason.IsReason((string)value), path, "must be 1 to 64 characters of A-Z 0-9 _.");
                break;
            case FieldType.String:
                check.Length(path, (string)value, 0, DetailMax);
                break;
            case FieldType.Enum:
                var number = (int)value;
                check.Must(number != 0 && field.EnumType.FindValueByNumber(number) is not null, path, $"must be one of {field.EnumType.Name}, not {number}.");
                break;
            case FieldType.Message when !field.IsMap:
                CheckFields(check, path + ".", (IMessage)value);
                break;
        }
    }

    private static void CheckAmounts(RequestCheck check, IReadOnlyList<OrderLine> items, long total, long discount, long final)
    {
        check.Must(items.Count > 0, "items", $"must be 1 to {ItemsMax}, not 0.");
        for (var at = 0; at < Math.Min(items.Count, ItemsMax); at++)
        {
            check.Range($"items[{at}].quantity", items[at].Quantity, 1, QuantityMax).Range($"items[{at}].unit_price", items[at].UnitPrice, 0, UnitPriceMax);
        }
        NoneTwice(check, "items", items.Select(item => item.ProductId));
        // Values out of range could overflow the sum.
        if (check.Violations.Count > 0) return;
        var sum = items.Sum(item => item.Quantity * item.UnitPrice);
        check
            .Must(total == sum, "total_amount", $"must be the sum of the items, {sum}, not {total}.")
            .Range("discount_amount", discount, 0, sum);
        if (check.Violations.Count > 0) return;
        check.Must(final == sum - discount, "final_amount", $"must be total_amount less discount_amount, {sum - discount}, not {final}.");
    }

    private static void NoneTwice<T>(RequestCheck check, string field, IEnumerable<T> values) where T : notnull
    {
        HashSet<T> seen = [];
        foreach (var value in values.Take(ItemsMax)) check.Must(seen.Add(value), field, $"has '{value}' twice.");
    }
}
