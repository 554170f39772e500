using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Grpc.Core;
using Shop.V1;

namespace Shop;

/// <summary>Places, shows, watches and cancels orders.</summary>
internal static class OrderCommands
{
    /// <summary>Longer than an order is open without a fault that lasts: twice its deadline, and the sweeps that follow.</summary>
    private static readonly TimeSpan WatchTimeout = TimeSpan.FromSeconds(150);

    private static readonly Argument<string> Id = new("order") { Description = "Order id or order number." };

    private static readonly Argument<string> User = new("user") { Description = "The user who orders and pays." };

    private static readonly Option<OrderItem[]> Items = new("--item")
    {
        Description = "product[:quantity], once for each product. The quantity is what follows the last colon, 1 to 1000; without a colon it is 1.",
        Required = true,
        CustomParser = ParseItems,
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<string> Coupon = new Option<string>("--coupon") { Description = "A coupon of this user." }.NotEmpty();

    private static readonly Option<string> Key = CommandLine.Key();

    private static readonly Option<bool> SkipPrecheck = new("--skip-precheck")
    {
        Description = "Place the order without a precheck of stock, balance and coupon; the saga compensates it when it fails.",
    };

    public static Command Order() => new("order", "Place an order, look at it, cancel it.") { Place(), Pay(), Show(), Timeline(), Cancel() };

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
            // What is none of them is an error already.
            CustomParser = result =>
                [.. result.Tokens.Select(token => Enum.TryParse<OrderStatus>(token.Value, ignoreCase: true, out var one) ? one : OrderStatus.Unspecified)],
        };
        status.AcceptOnlyFromAmong("pending", "confirmed", "failed");
        var limit = Numbers.Option("--limit", 1, 1000, 20, "At most this many; by default 20.");
        var orders = new Command("orders", "All orders, roughly the newest first.\n\n  shop orders --status failed --limit 5\n  shop orders --open")
            { open, status, limit };
        orders.Validators.Add(result =>
        {
            if (result.GetResult(open) is not null && result.GetResult(status) is not null) result.AddError("--open and --status do not go together.");
        });
        return orders.SetHandler(async context =>
        {
            var pageSize = (int)(context.GetValue(limit) ?? 20);
            if (context.GetValue(open))
            {
                var listed = await context.Shop.Orders.ListOpenOrdersAsync(
                    new() { PageSize = pageSize }, cancellationToken: context.CancellationToken);
                context.Write(listed, () => OrderPrint.Open(listed));
                Terminal.WriteUnreadable("order", listed.UnreadableOrderIds);
                return ExitCode.Done;
            }
            var all = new ListOrdersResponse();
            ListOrdersRequest Request(string token) =>
                new() { PageSize = pageSize, PageToken = token, Statuses = { context.GetValue(status) ?? [] } };
            var pages = Paging.ReadPagesAsync(
                token => context.Shop.Orders.ListOrdersAsync(Request(token), cancellationToken: context.CancellationToken),
                page => page.NextPageToken);
            await foreach (var page in pages)
            {
                all.CompleteSince ??= page.CompleteSince;
                all.UnreadableOrderIds.AddRange(page.UnreadableOrderIds);
                all.Orders.AddRange(page.Orders.Take(pageSize - all.Orders.Count));
                if (all.Orders.Count == pageSize) break;
            }
            context.Write(all, () => OrderPrint.All(all.Orders));
            Terminal.WriteUnreadable("order", all.UnreadableOrderIds);
            return ExitCode.Done;
        });
    }

    private static Command Place()
    {
        var watch = new Option<bool>("--watch") { Description = "Show each event until the order is closed. Exits with 1 when it fails." };
        var watchTimeout = Durations.Option("--watch-timeout", WatchTimeout, TimeSpan.FromHours(24),
            "How long to watch. Exits with 4 when the order is still open then.");
        return new Command("place", "Place an order.\n\n  shop order place mina --item mouse:2 --item lamp --coupon welcome-mina --watch\n"
            + "  shop order place jun --item keyboard --skip-precheck --watch")
            { User, Items, Coupon, Key, SkipPrecheck, watch, watchTimeout }.SetHandler(async context =>
        {
            var placed = await context.Shop.Orders.PlaceOrderAsync(ReadRequest(context), cancellationToken: context.CancellationToken);
            context.Write(placed, () => OrderPrint.Whole(placed.Order));
            context.PossibleEffect = "";
            return context.GetValue(watch) ? await WatchAsync(context, placed.Order.OrderId, context.GetValue(watchTimeout) ?? WatchTimeout) : ExitCode.Done;
        });
    }

    private static Command Pay() => new Command("pay", "Place an order and carry it out before the answer (orchestration). Exits with 1 when it is refused.\n\n"
        + "  shop order pay mina --item mouse:2 --coupon welcome-mina\n  shop order pay jun --item keyboard --skip-precheck")
            { User, Items, Coupon, Key, SkipPrecheck }.SetHandler(async context =>
    {
        var paid = await context.Shop.Orders.PayOrderAsync(new() { Order = ReadRequest(context) }, cancellationToken: context.CancellationToken);
        context.Write(paid, () =>
        {
            OrderPrint.Whole(paid.Order);
            OrderPrint.Outcome(paid.Order);
        });
        context.PossibleEffect = "";
        return paid.Result == PayResult.Paid ? ExitCode.Done : ExitCode.Refused;
    });

    private static PlaceOrderRequest ReadRequest(CommandContext context)
    {
        var request = new PlaceOrderRequest
        {
            UserId = context.GetValue(User),
            Items = { context.GetValue(Items) },
            IdempotencyKey = context.GetKey(Key, "order may have been placed"),
            SkipPrecheck = context.GetValue(SkipPrecheck),
        };
        if (context.GetValue(Coupon) is { } coupon) request.UserCouponId = coupon;
        return request;
    }

    private static async Task<int> WatchAsync(CommandContext context, string order, TimeSpan timeout)
    {
        var deadline = TimeProvider.System.GetUtcNow().UtcDateTime + timeout;
        using var watch = context.Shop.Orders.WatchOrder(new() { Order = order }, deadline: deadline, cancellationToken: context.CancellationToken);
        var isClosed = true;
        try
        {
            await foreach (var change in watch.ResponseStream.ReadAllAsync(context.CancellationToken))
            {
                context.Write(change, () => OrderPrint.Entry(change.Entry));
            }
        }
        catch (RpcException fault) when (fault.StatusCode == StatusCode.DeadlineExceeded)
        {
            isClosed = false;
        }
        var final = await context.Shop.Orders.GetOrderAsync(new() { Order = order }, cancellationToken: context.CancellationToken);
        context.Write(final, () => OrderPrint.Outcome(final.Order));
        if (!isClosed && !final.Order.IsClosed)
        {
            var state = final.Order.Status == OrderStatus.Failed ? "FAILED for good and not compensated by every participant" : "still open";
            Terminal.WriteError($"{final.Order.OrderNumber} is {state} after {Durations.Format(timeout)}; "
                + $"./shop explain {final.Order.OrderNumber} says what it waits for.");
            return ExitCode.UnderWay;
        }
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
        context.Write(explained, () => OrderPrint.Timeline(explained.Order, explained.Timeline));
        return ExitCode.Done;
    });

    private static Command Cancel()
    {
        var comment = new Option<string>("--comment") { Description = "Kept as the order's detail.", DefaultValueFactory = _ => "" };
        return new Command("cancel", "Cancel a pending order; finished steps are compensated.\n\n  shop order cancel ORD-... --comment 'changed my mind'")
            { Id, comment }.SetHandler(async context =>
        {
            context.PossibleEffect = "The order may have been cancelled; repeat the command: it is done once.";
            var cancelled = await context.Shop.Orders.CancelOrderAsync(
                new() { Order = context.GetValue(Id), Comment = context.GetValue(comment) }, cancellationToken: context.CancellationToken);
            context.Write(cancelled, () => OrderPrint.Whole(cancelled.Order));
            return ExitCode.Done;
        });
    }

    private static async Task<ExplainOrderResponse> ExplainAsync(CommandContext context) =>
        await context.Shop.Orders.ExplainOrderAsync(new() { Order = context.GetValue(Id) }, cancellationToken: context.CancellationToken);

    private static OrderItem[] ParseItems(ArgumentResult result)
    {
        List<OrderItem> items = [];
        foreach (var token in result.Tokens)
        {
            if (ParseItem(token.Value) is { } item) items.Add(item);
            else
            {
                result.AddError($"--item must be product[:quantity] with a quantity of 1 to 1000, such as mouse:2, not {Numbers.Quote(token.Value)}. "
                    + "The quantity is what follows the last colon: a product whose id has a colon needs one, as in sku:2:1 for one piece of sku:2.");
            }
        }
        return [.. items];
    }

    /// <returns>Null: the syntax is wrong.</returns>
    private static OrderItem? ParseItem(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 0) return text.Length > 0 ? new() { ProductId = text, Quantity = 1 } : null;
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var quantity)
            && quantity is >= 1 and <= 1000
            ? new() { ProductId = text[..colon], Quantity = quantity }
            : null;
    }
}
