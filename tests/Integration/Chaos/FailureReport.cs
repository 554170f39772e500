using System.Text;
using Grpc.Core;
using Shop.V1;

namespace Integration.Chaos;

/// <summary>The details of a failed run: violations, the orders that they concern, and the last log lines.</summary>
internal static class FailureReport
{
    private const int ViolationsMax = 30, OrdersMax = 8, LinesMax = 12;

    public static async Task<string> WriteAsync(ChaosShop shop, IReadOnlyList<InvariantViolation> violations)
    {
        var text = new StringBuilder();
        foreach (var violation in violations.Take(ViolationsMax)) text.AppendLine($"  {violation}");
        foreach (var order in violations.Select(violation => violation.Order).OfType<string>().Distinct().Take(OrdersMax))
        {
            await ExplainAsync(shop, order, text);
        }
        foreach (var process in shop.All)
        {
            text.AppendLine($"\nThe last lines of {process.Name}:");
            foreach (var line in process.Lines.TakeLast(LinesMax)) text.AppendLine($"  {line}");
        }
        return text.ToString();
    }

    private static async Task ExplainAsync(ChaosShop shop, string order, StringBuilder text)
    {
        text.AppendLine($"\nOrder {order}:");
        try
        {
            var explained = await shop.Clients.Orders.ExplainOrderAsync(new() { Order = order }, deadline: DateTime.UtcNow.AddSeconds(5));
            foreach (var entry in explained.Timeline)
            {
                text.AppendLine($"  {entry.Time.ToDateTime():HH:mm:ss.fff} {entry.Event}: {entry.Detail} [{entry.Status}]");
            }
            text.AppendLine($"  waits for: {string.Join(", ", explained.WaitsFor)}; next: {explained.Next}");
        }
        catch (RpcException unknown)
        {
            text.AppendLine($"  {unknown.Status}");
        }
        foreach (var service in shop.Services)
        {
            foreach (var line in service.Lines.Where(line => line.Contains(order, StringComparison.Ordinal)))
            {
                text.AppendLine($"  {service.Name,-10} {line}");
            }
        }
    }
}
