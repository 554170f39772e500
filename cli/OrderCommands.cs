using System.CommandLine;
using Grpc.Core;
using Shop.V1;
using Spectre.Console;

namespace Shop;

/// <summary>Places orders, shows what becomes of them, cancels them.</summary>
internal static class OrderCommands
{
    private static readonly Argument<string> Id = new("order") { Description = "Order id or order number." };

    public static Command Order() => new("order", "Place an order, look at it, cancel it.") { Place(), Show(), Timeline(), Cancel() };

    public static Command Explain() => new Command("explain",
        "What an order waits for, since when, what happens next, how far it is undone, and which of its events could not be handled.\n\n  shop explain ORD-...") { Id }.Does(async call =>
    {
        var told = await ExplainedAsync(call);
        var waiting = await WaitingLetters.ReadAsync(call.Shop, call.Stop);
        var letters = waiting.Letters.Where(letter => letter.OrderId == told.Order.OrderId).ToArray();
        if (call.Json) Console.WriteLine(OrderPrint.ExplanationJson(told, letters, waiting));
        else OrderPrint.Explanation(told, letters, waiting);
        return ExitCode.Done;
    });

    public static Command List()
    {
        var open = new Option<bool>("--open") { Description = "Only orders that have not come to rest, the oldest first, with what they wait for." };
        var status = new Option<OrderStatus[]>("--status")
        {
            Description = "Only orders in one of these.",
            AllowMultipleArgumentsPerToken = true,
            CustomParser = said => [.. said.Tokens.Select(token => Enum.Parse<OrderStatus>(token.Value, ignoreCase: true))],
        };
        status.AcceptOnlyFromAmong("pending", "confirmed", "failed");
        var limit = new Option<int>("--limit") { Description = "So many at most, 1 to 1000.", DefaultValueFactory = _ => 20 };
        limit.Validators.Add(said =>
        {
            if (said.GetValueOrDefault<int>() is < 1 or > 1000) said.AddError("--limit must be 1 to 1000.");
        });
        var orders = new Command("orders", "All orders, roughly the newest first.\n\n  shop orders --status failed --limit 5\n  shop orders --open") { open, status, limit };
        orders.Validators.Add(said =>
        {
            if (said.GetResult(open) is not null && said.GetResult(status) is not null) said.AddError("--open and --status do not go together.");
        });
        return orders.Does(async call =>
        {
            if (call.Of(open))
            {
                var listed = await call.Shop.Orders.ListOpenOrdersAsync(new() { PageSize = call.Of(limit) }, cancellationToken: call.Stop);
                call.Answer(listed, () => OrderPrint.Open(listed));
                return ExitCode.Done;
            }
            var all = new ListOrdersResponse();
            ListOrdersRequest Request(string token) => new() { PageSize = call.Of(limit), PageToken = token, Statuses = { call.Of(status) ?? [] } };
            await foreach (var page in Pages.OfAsync(token => call.Shop.Orders.ListOrdersAsync(Request(token), cancellationToken: call.Stop), page => page.NextPageToken))
            {
                all.CompleteSince ??= page.CompleteSince;
                all.Orders.AddRange(page.Orders.Take(call.Of(limit) - all.Orders.Count));
                if (all.Orders.Count == call.Of(limit)) break;
            }
            call.Answer(all, () => OrderPrint.All(all.Orders));
            return ExitCode.Done;
        });
    }

    private static Command Place()
    {
        var user = new Argument<string>("user") { Description = "Who orders and pays." };
        var items = new Option<OrderItem[]>("--item")
        {
            Description = "product[:quantity], once for each product.",
            Required = true,
            CustomParser = said => [.. said.Tokens.Select(token => ItemOf(token.Value))],
            Arity = ArgumentArity.OneOrMore,
        };
        var coupon = new Option<string>("--coupon") { Description = "A coupon of this user." };
        var key = CommandLine.Key();
        var skip = new Option<bool>("--skip-precheck") { Description = "Leave every doubt to the saga; it then undoes what was done." };
        var watch = new Option<bool>("--watch") { Description = "Show what happens until nothing more will. Exits with 1 when the order fails." };
        return new Command("place", "Place an order.\n\n  shop order place mina --item mouse:2 --item lamp --coupon welcome-mina --watch\n  shop order place jun --item keyboard --skip-precheck --watch")
            { user, items, coupon, key, skip, watch }.Does(async call =>
        {
            var request = new PlaceOrderRequest { UserId = call.Of(user), Items = { call.Of(items) }, IdempotencyKey = call.Of(key), SkipPrecheck = call.Of(skip) };
            if (call.Of(coupon) is { } with) request.UserCouponId = with;
            var placed = await call.Shop.Orders.PlaceOrderAsync(request, cancellationToken: call.Stop);
            call.Answer(placed, () => OrderPrint.Whole(placed.Order));
            return call.Of(watch) ? await WatchAsync(call, placed.Order.OrderId) : ExitCode.Done;
        });
    }

    private static async Task<int> WatchAsync(Call call, string order)
    {
        using var watch = call.Shop.Orders.WatchOrder(new() { Order = order }, cancellationToken: call.Stop);
        await foreach (var change in watch.ResponseStream.ReadAllAsync(call.Stop)) call.Answer(change, () => OrderPrint.Entry(change.Entry));
        var final = await call.Shop.Orders.GetOrderAsync(new() { Order = order }, cancellationToken: call.Stop);
        call.Answer(final, () => OrderPrint.Outcome(final.Order));
        return final.Order.Status == OrderStatus.Confirmed ? ExitCode.Done : ExitCode.Refused;
    }

    private static Command Show() => new Command("show", "The order as it stands.\n\n  shop order show ORD-...") { Id }.Does(async call =>
    {
        var got = await call.Shop.Orders.GetOrderAsync(new() { Order = call.Of(Id) }, cancellationToken: call.Stop);
        call.Answer(got, () => OrderPrint.Whole(got.Order));
        return ExitCode.Done;
    });

    private static Command Timeline() => new Command("timeline", "What happened, a column for each service; < marks what undoes.\n\n  shop order timeline ORD-...") { Id }.Does(async call =>
    {
        var told = await ExplainedAsync(call);
        call.Answer(told, () => OrderPrint.Timeline(told.Timeline));
        return ExitCode.Done;
    });

    private static Command Cancel()
    {
        var comment = new Option<string>("--comment") { Description = "Kept as the order's detail.", DefaultValueFactory = _ => "" };
        return new Command("cancel", "Cancel a pending order; what was done is undone.\n\n  shop order cancel ORD-... --comment 'changed my mind'") { Id, comment }.Does(async call =>
        {
            var cancelled = await call.Shop.Orders.CancelOrderAsync(new() { Order = call.Of(Id), Comment = call.Of(comment) }, cancellationToken: call.Stop);
            call.Answer(cancelled, () => OrderPrint.Whole(cancelled.Order));
            return ExitCode.Done;
        });
    }

    private static async Task<ExplainOrderResponse> ExplainedAsync(Call call) =>
        await call.Shop.Orders.ExplainOrderAsync(new() { Order = call.Of(Id) }, cancellationToken: call.Stop);

    // A product id may hold colons itself.
    private static OrderItem ItemOf(string said)
    {
        var colon = said.LastIndexOf(':');
        return colon > 0 && int.TryParse(said.AsSpan(colon + 1), out var quantity)
            ? new() { ProductId = said[..colon], Quantity = quantity }
            : new() { ProductId = said, Quantity = 1 };
    }
}
