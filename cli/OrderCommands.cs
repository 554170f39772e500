using System.CommandLine;
using Grpc.Core;
using Shop.V1;
using Spectre.Console;

namespace Shop;

/// <summary>Places, shows, watches and cancels orders.</summary>
internal static class OrderCommands
{
    private static readonly Argument<string> Id = new("order") { Description = "Order id or order number." };

    public static Command Order() => new("order", "Place an order, look at it, cancel it.") { Place(), Show(), Timeline(), Cancel() };

    public static Command Explain() => new Command("explain",
        "What an order waits for, since when, what happens next, how far it is compensated, and its dead letters.\n\n  shop explain ORD-...")
            { Id }.SetHandler(async context =>
    {
        var explained = await ExplainAsync(context);
        var list = await DeadLetterList.ReadAsync(context.Shop, context.CancellationToken);
        var letters = list.Letters.Where(letter => letter.OrderId == explained.Order.OrderId).ToArray();
        if (context.Json) Console.WriteLine(OrderPrint.ExplanationJson(explained, letters, list));
        else OrderPrint.Explanation(explained, letters, list);
        return ExitCode.Done;
    });

    public static Command List()
    {
        var open = new Option<bool>("--open") { Description = "Only open orders, oldest first, with what they wait for." };
        var status = new Option<OrderStatus[]>("--status")
        {
            Description = "Only orders in one of these.",
            AllowMultipleArgumentsPerToken = true,
            CustomParser = result => [.. result.Tokens.Select(token => Enum.Parse<OrderStatus>(token.Value, ignoreCase: true))],
        };
        status.AcceptOnlyFromAmong("pending", "confirmed", "failed");
        var limit = new Option<int>("--limit") { Description = "At most this many, 1 to 1000.", DefaultValueFactory = _ => 20 };
        limit.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > 1000) result.AddError("--limit must be 1 to 1000.");
        });
        var orders = new Command("orders", "All orders, roughly the newest first.\n\n  shop orders --status failed --limit 5\n  shop orders --open")
            { open, status, limit };
        orders.Validators.Add(result =>
        {
            if (result.GetResult(open) is not null && result.GetResult(status) is not null) result.AddError("--open and --status do not go together.");
        });
        return orders.SetHandler(async context =>
        {
            if (context.GetValue(open))
            {
                var listed = await context.Shop.Orders.ListOpenOrdersAsync(
                    new() { PageSize = context.GetValue(limit) }, cancellationToken: context.CancellationToken);
                context.Write(listed, () => OrderPrint.Open(listed));
                return ExitCode.Done;
            }
            var all = new ListOrdersResponse();
            ListOrdersRequest Request(string token) =>
                new() { PageSize = context.GetValue(limit), PageToken = token, Statuses = { context.GetValue(status) ?? [] } };
            var pages = Paging.ReadPagesAsync(
                token => context.Shop.Orders.ListOrdersAsync(Request(token), cancellationToken: context.CancellationToken),
                page => page.NextPageToken);
            await foreach (var page in pages)
            {
                all.CompleteSince ??= page.CompleteSince;
                all.Orders.AddRange(page.Orders.Take(context.GetValue(limit) - all.Orders.Count));
                if (all.Orders.Count == context.GetValue(limit)) break;
            }
            context.Write(all, () => OrderPrint.All(all.Orders));
            return ExitCode.Done;
        });
    }

    private static Command Place()
    {
        var user = new Argument<string>("user") { Description = "The user who orders and pays." };
        var items = new Option<OrderItem[]>("--item")
        {
            Description = "product[:quantity], once for each product.",
            Required = true,
            CustomParser = result => [.. result.Tokens.Select(token => ParseItem(token.Value))],
            Arity = ArgumentArity.OneOrMore,
        };
        var coupon = new Option<string>("--coupon") { Description = "A coupon of this user." };
        var key = CommandLine.Key();
        var skip = new Option<bool>("--skip-precheck")
        {
            Description = "Place the order without a precheck of stock, balance and coupon; the saga compensates it when it fails.",
        };
        var watch = new Option<bool>("--watch") { Description = "Show each event until the order is closed. Exits with 1 when it fails." };
        return new Command("place", "Place an order.\n\n  shop order place mina --item mouse:2 --item lamp --coupon welcome-mina --watch\n"
            + "  shop order place jun --item keyboard --skip-precheck --watch")
            { user, items, coupon, key, skip, watch }.SetHandler(async context =>
        {
            var request = new PlaceOrderRequest
            {
                UserId = context.GetValue(user),
                Items = { context.GetValue(items) },
                IdempotencyKey = context.GetValue(key),
                SkipPrecheck = context.GetValue(skip),
            };
            if (context.GetValue(coupon) is { } with) request.UserCouponId = with;
            var placed = await context.Shop.Orders.PlaceOrderAsync(request, cancellationToken: context.CancellationToken);
            context.Write(placed, () => OrderPrint.Whole(placed.Order));
            return context.GetValue(watch) ? await WatchAsync(context, placed.Order.OrderId) : ExitCode.Done;
        });
    }

    private static async Task<int> WatchAsync(CommandContext context, string order)
    {
        using var watch = context.Shop.Orders.WatchOrder(new() { Order = order }, cancellationToken: context.CancellationToken);
        await foreach (var change in watch.ResponseStream.ReadAllAsync(context.CancellationToken)) context.Write(change, () => OrderPrint.Entry(change.Entry));
        var final = await context.Shop.Orders.GetOrderAsync(new() { Order = order }, cancellationToken: context.CancellationToken);
        context.Write(final, () => OrderPrint.Outcome(final.Order));
        return final.Order.Status == OrderStatus.Confirmed ? ExitCode.Done : ExitCode.Refused;
    }

    private static Command Show() => new Command("show", "The current state of an order.\n\n  shop order show ORD-...") { Id }.SetHandler(async context =>
    {
        var got = await context.Shop.Orders.GetOrderAsync(new() { Order = context.GetValue(Id) }, cancellationToken: context.CancellationToken);
        context.Write(got, () => OrderPrint.Whole(got.Order));
        return ExitCode.Done;
    });

    private static Command Timeline() => new Command("timeline",
        "The events of an order, a column for each service; < marks a compensation.\n\n  shop order timeline ORD-...")
            { Id }.SetHandler(async context =>
    {
        var explained = await ExplainAsync(context);
        context.Write(explained, () => OrderPrint.Timeline(explained.Timeline));
        return ExitCode.Done;
    });

    private static Command Cancel()
    {
        var comment = new Option<string>("--comment") { Description = "Kept as the order's detail.", DefaultValueFactory = _ => "" };
        return new Command("cancel", "Cancel a pending order; finished steps are compensated.\n\n  shop order cancel ORD-... --comment 'changed my mind'")
            { Id, comment }.SetHandler(async context =>
        {
            var cancelled = await context.Shop.Orders.CancelOrderAsync(
                new() { Order = context.GetValue(Id), Comment = context.GetValue(comment) }, cancellationToken: context.CancellationToken);
            context.Write(cancelled, () => OrderPrint.Whole(cancelled.Order));
            return ExitCode.Done;
        });
    }

    private static async Task<ExplainOrderResponse> ExplainAsync(CommandContext context) =>
        await context.Shop.Orders.ExplainOrderAsync(new() { Order = context.GetValue(Id) }, cancellationToken: context.CancellationToken);

    // A product id may contain colons.
    private static OrderItem ParseItem(string text)
    {
        var colon = text.LastIndexOf(':');
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), out var quantity)
            ? new() { ProductId = text[..colon], Quantity = quantity }
            : new() { ProductId = text, Quantity = 1 };
    }
}
