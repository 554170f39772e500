using System.Text.Json.Nodes;
using Shop.V1;
using Spectre.Console;

namespace Shop;

/// <summary>How orders look on a terminal.</summary>
internal static class OrderPrint
{
    private static readonly string[] Lanes = ["order", "stock", "payment", "coupon"];
    private static readonly string[] Undoing = ["order-failed", "stock-released", "payment-refunded", "coupon-restored"];

    public static void Whole(Order order)
    {
        var grid = new Grid().AddColumns(2);
        void Row(string name, string value) => grid.AddRow(new Text(name, new(Color.Grey)), new Text(value));
        Row("order", $"{order.OrderNumber}  {order.OrderId}");
        Row("status", $"{Of(order)}{(order.Reason.Length > 0 ? $", {order.Reason}: {order.Detail}" : "")}");
        Row("user", order.UserId);
        foreach (var item in order.Items) Row("item", $"{item.Quantity} {item.ProductId} at {item.UnitPrice:N0} won");
        Row("amount", $"{order.TotalAmount:N0} - {order.DiscountAmount:N0} = {order.FinalAmount:N0} won");
        if (order.HasUserCouponId) Row("coupon", order.UserCouponId);
        foreach (var step in order.Steps) Row(step.Step.ToString().ToLowerInvariant(), $"{step.State.ToString().ToUpperInvariant()} {step.Reference}{step.Reason} {step.Detail}".Trim());
        if (order.Compensation.Length > 0) Row("compensation", order.Compensation);
        Row("placed", $"{order.PlacedTime.ToDateTime():u}");
        AnsiConsole.Write(grid);
    }

    public static void Entry(TimelineEntry entry) => AnsiConsole.MarkupLineInterpolated($"  [grey]{entry.AfterMs,6} ms[/]  {entry.Event,-26} {entry.Detail}");

    public static void Outcome(Order order) => AnsiConsole.MarkupLineInterpolated(order.Status == OrderStatus.Confirmed
        ? (FormattableString)$"[green]{order.OrderNumber} is CONFIRMED.[/]"
        : $"[red]{order.OrderNumber} is {Of(order)}: {order.Reason}. {order.Compensation}[/]");

    public static void Timeline(IEnumerable<TimelineEntry> timeline) => CommandLine.Print(["ms", "Orders", "Stock", "Payments", "Coupons", "detail"],
        timeline.Select(entry =>
        {
            var lane = Math.Max(0, Array.FindIndex(Lanes, lane => entry.Event.StartsWith($"{lane}-", StringComparison.Ordinal)));
            var shown = Undoing.Contains(entry.Event) ? $"< {entry.Event}" : entry.Event;
            return (IEnumerable<string>)[$"{entry.AfterMs}", .. Lanes.Select((_, at) => at == lane ? shown : ""), entry.Detail];
        }));

    /// <param name="letters">Those of this order.</param>
    /// <param name="waiting">Of whom they could be asked.</param>
    public static void Explanation(ExplainOrderResponse told, IReadOnlyList<DeadLetter> letters, WaitingLetters waiting)
    {
        AnsiConsole.MarkupLineInterpolated($"{told.Order.OrderNumber} is [bold]{Of(told.Order)}[/] {told.Order.Reason}");
        foreach (var wait in told.WaitsFor) AnsiConsole.MarkupLineInterpolated($"  waits: {wait}");
        AnsiConsole.MarkupLineInterpolated($"  next:  {told.Next}");
        if (told.Order.Compensation.Length > 0) AnsiConsole.MarkupLineInterpolated($"  undo:  {told.Order.Compensation}");
        foreach (var letter in letters)
        {
            var problem = letter.Problem.Length > 0 ? letter.Problem : "it failed when it was handled; a dry run says why";
            AnsiConsole.WriteLine($"  dead:  {letter.AppId} could not handle {(letter.Topic == WaitingLetters.Reservations ? "its reservation" : letter.Topic)}: {problem} (./shop dead-letters show {letter.DeadLetterId})");
        }
        foreach (var missing in waiting.Missing) AnsiConsole.WriteLine($"  dead:  {missing}");
        if (waiting.More > 0) AnsiConsole.WriteLine($"  dead:  {waiting.More} dead letters more wait than are listed; some may be of this order.");
    }

    /// <summary>The answer of Orders, with deadLetters, and with silent: the services that could not be asked for theirs.</summary>
    public static string ExplanationJson(ExplainOrderResponse told, IReadOnlyList<DeadLetter> letters, WaitingLetters waiting)
    {
        var json = JsonNode.Parse(Call.ToJson(told))!;
        json["deadLetters"] = new JsonArray([.. letters.Select(letter => JsonNode.Parse(Call.ToJson(letter)))]);
        json["silent"] = new JsonArray([.. waiting.Silent.Select(one => JsonValue.Create(one.Service.Name))]);
        return json.ToJsonString();
    }

    public static void Open(ListOpenOrdersResponse listed)
    {
        CommandLine.Print(["order", "status", "age", "waits for"], listed.Orders.Select(order => (IEnumerable<string>)
            [order.OrderNumber, order.Status.ToString().ToUpperInvariant(), $"{order.Age.ToTimeSpan().TotalSeconds:0.0} s", string.Join('\n', order.WaitsFor)]));
        if (listed.More > 0) AnsiConsole.WriteLine($"{listed.More} more are open.");
    }

    public static void All(IEnumerable<Order> orders) => CommandLine.Print(["order", "user", "status", "reason", "won", "placed"], orders.Select(order => (IEnumerable<string>)
        [order.OrderNumber, order.UserId, Of(order), order.Reason, $"{order.FinalAmount:N0}", $"{order.PlacedTime.ToDateTime():u}"]));

    private static string Of(Order order) => order.Status.ToString().ToUpperInvariant();
}
