using System.Text.Json.Nodes;
using Shop.V1;

namespace Shop;

internal static class OrderPrint
{
    private static readonly string[] Compensations = ["order-failed", "stock-released", "payment-refunded", "coupon-restored"];

    public static void Whole(Order order)
    {
        List<(string, Cell)> fields = [];
        void Row(string name, string value) => fields.Add((name, value));
        Row("order", $"{order.OrderNumber}  {order.OrderId}");
        Row("status", $"{GetStatus(order)}{(order.Reason.Length > 0 ? $", {order.Reason}: {order.Detail}" : "")}");
        Row("pattern", order.Pattern.ToString().ToUpperInvariant());
        Row("user", order.UserId);
        foreach (var item in order.Items) Row("item", $"{item.Quantity} {item.ProductId} at {item.UnitPrice:N0} won");
        Row("amount", $"{order.TotalAmount:N0} - {order.DiscountAmount:N0} = {order.FinalAmount:N0} won");
        if (order.HasUserCouponId) Row("coupon", order.UserCouponId);
        foreach (var step in order.Steps)
        {
            Row(GetName(step),
                string.Join(' ', new[] { step.State.ToString().ToUpperInvariant(), step.Reference, step.Reason, step.Detail }.Where(text => text.Length > 0)));
        }
        if (order.Compensation.Length > 0) Row("compensation", order.Compensation);
        Row("placed", $"{order.PlacedTime.ToDateTime():u}");
        Terminal.WriteFields(fields);
    }

    /// <summary>The name of a step, which is also how its events begin.</summary>
    private static string GetName(StepProgress step) => step.Step == Step.Unspecified ? step.Name : step.Step.ToString().ToLowerInvariant();

    private static string GetTitle(StepProgress step) => step.Step switch
    {
        Step.Stock => "Stock",
        Step.Payment => "Payments",
        Step.Coupon => "Coupons",
        Step.Unspecified or _ => step.Name.Length == 0 ? "" : $"{char.ToUpperInvariant(step.Name[0])}{step.Name[1..]}",
    };

    public static void Entry(TimelineEntry entry) => Terminal.WriteLine($"  [grey]{entry.AfterMs,6} ms[/]  {entry.Event,-26} {entry.Detail}");

    public static void Outcome(Order order) => Terminal.WriteLine(order.Status == OrderStatus.Confirmed
        ? (FormattableString)$"[green]{order.OrderNumber} is CONFIRMED.[/]"
        : $"[red]{order.OrderNumber} is {GetStatus(order)}: {order.Reason}. {order.Compensation}[/]");

    /// <summary>A column for each service, or where the terminal is too narrow, one for all.</summary>
    public static void Timeline(Order order, IReadOnlyCollection<TimelineEntry> timeline)
    {
        string Show(TimelineEntry entry) => Compensations.Contains(entry.Event) || entry.Event.EndsWith("-compensated", StringComparison.Ordinal)
            ? $"< {entry.Event}" : entry.Event;
        string[] lanes = ["order", .. order.Steps.Select(GetName)];
        string[] titles = ["Orders", .. order.Steps.Select(GetTitle)];
        var isWritten = Terminal.TryWriteTable(["ms", .. titles, "detail"], timeline.Select(entry =>
        {
            var own = lanes.Where(lane => entry.Event.StartsWith($"{lane}-", StringComparison.Ordinal)).MaxBy(lane => lane.Length) ?? lanes[0];
            return (IReadOnlyList<Cell>)[$"{entry.AfterMs}", .. lanes.Select(lane => (Cell)(lane == own ? Show(entry) : "")), entry.Detail];
        }), "detail");
        if (isWritten) return;
        Terminal.WriteTable(["ms", "event", "detail"],
            timeline.Select(entry => (IReadOnlyList<Cell>)[$"{entry.AfterMs}", Show(entry), entry.Detail]), "detail");
    }

    /// <param name="letters">The dead letters of this order.</param>
    /// <param name="list">All dead letters that could be read.</param>
    public static void Explanation(ExplainOrderResponse explained, IReadOnlyList<DeadLetter> letters, DeadLetterList list)
    {
        Terminal.WriteLine($"{explained.Order.OrderNumber} is [bold]{GetStatus(explained.Order)}[/] {explained.Order.Reason}");
        foreach (var wait in explained.WaitsFor) Terminal.WriteLine($"  waits: {wait}");
        Terminal.WriteLine($"  next:  {explained.Next}");
        if (explained.Order.Compensation.Length > 0) Terminal.WriteLine($"  undo:  {explained.Order.Compensation}");
        foreach (var letter in letters)
        {
            var problem = letter.Problem.Length > 0 ? letter.Problem : "it failed when it was handled; a dry run says why";
            var what = letter.Topic == DeadLetterList.ReservationsTopic ? "its reservation" : letter.Topic;
            Terminal.WriteLine($"  dead:  {letter.AppId} could not handle {what}: {problem} (./shop dead-letters show {letter.DeadLetterId})");
        }
        foreach (var missing in list.Missing) Terminal.WriteLine($"  dead:  {missing}");
        if (list.More > 0) Terminal.WriteLine($"  dead:  {list.More} dead letters more wait than are listed; some may be of this order.");
    }

    /// <summary>The response of Orders, with the fields deadLetters, and silent: names of the services whose dead letters could not be read.</summary>
    public static string ExplanationJson(ExplainOrderResponse explained, IReadOnlyList<DeadLetter> letters, DeadLetterList list)
    {
        var json = JsonNode.Parse(CommandContext.ToJson(explained))!;
        json["deadLetters"] = new JsonArray([.. letters.Select(letter => JsonNode.Parse(CommandContext.ToJson(letter)))]);
        json["silent"] = new JsonArray([.. list.Unreachable.Select(one => JsonValue.Create(one.Service.Name))]);
        return json.ToJsonString();
    }

    public static void Open(ListOpenOrdersResponse listed)
    {
        Terminal.WriteTable(["order", "status", "age", "waits for"], listed.Orders.Select(order => (IReadOnlyList<Cell>)
        [
            order.OrderNumber, order.Status.ToString().ToUpperInvariant(), $"{order.Age.ToTimeSpan().TotalSeconds:0.0} s", new Cell([.. order.WaitsFor]),
        ]), "waits for");
        if (listed.More > 0) Terminal.WriteLine($"{listed.More} more are open.");
    }

    public static void All(IEnumerable<Order> orders) => Terminal.WriteTable(["order", "user", "status", "reason", "won", "placed"],
        orders.Select(order => (IReadOnlyList<Cell>)
            [order.OrderNumber, order.UserId, GetStatus(order), order.Reason, $"{order.FinalAmount:N0}", $"{order.PlacedTime.ToDateTime():u}"]));

    private static string GetStatus(Order order) => order.Status.ToString().ToUpperInvariant();
}
