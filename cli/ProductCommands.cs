using System.CommandLine;
using Shop.V1;

namespace Shop;

/// <summary>Products, their prices and stock.</summary>
internal static class ProductCommands
{
    private const long NumberMax = 1_000_000_000;

    private static readonly Argument<string> Id = new("product") { Description = "1 to 64 of A-Z a-z 0-9 - _ . : @" };

    public static Command Product() => new("product", "Put products on sale, adjust their stock.") { Put(), Show(), List(), Adjust() };

    private static Command Put()
    {
        var name = new Option<string>("--name") { Description = "1 to 200 characters.", Required = true };
        var price = Numbers.Option("--price", 0, NumberMax, 310_000, "Price of one piece in won.");
        price.Required = true;
        var stock = Numbers.Option("--pieces", 0, NumberMax, 5, "Initial stock; ignored when the product exists.");
        var key = CommandLine.Key();
        return new Command("put", "Create a product, or change its name and price.\n\n  shop product put chair --name 'Office chair' --price 310000 --pieces 5")
            { Id, name, price, stock, key }.SetHandler(async context =>
        {
            var put = await context.Shop.Stock.PutProductAsync(new()
            {
                ProductId = context.GetValue(Id),
                Name = context.GetValue(name),
                Price = context.GetNumber(price),
                InitialStock = context.GetNumber(stock),
                IdempotencyKey = context.GetKey(key, "product may have been put"),
            }, cancellationToken: context.CancellationToken);
            context.Write(put, () => Print(put.Product));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One product.\n\n  shop product show lamp") { Id }.SetHandler(async context =>
    {
        var got = await context.Shop.Stock.GetProductAsync(new() { ProductId = context.GetValue(Id) }, cancellationToken: context.CancellationToken);
        context.Write(got, () => Print(got.Product));
        return ExitCode.Done;
    });

    private static Command List() => new Command("list", "All products, by id.\n\n  shop product list").SetHandler(async context =>
    {
        var all = new ListProductsResponse();
        var pages = Paging.ReadPagesAsync(
            token => context.Shop.Stock.ListProductsAsync(new() { PageToken = token }, cancellationToken: context.CancellationToken),
            page => page.NextPageToken);
        await foreach (var page in pages)
        {
            all.Products.AddRange(page.Products);
            all.UnreadableProductIds.AddRange(page.UnreadableProductIds);
        }
        context.Write(all, () => Print([.. all.Products]));
        Terminal.WriteUnreadable("product", all.UnreadableProductIds);
        return ExitCode.Done;
    });

    private static Command Adjust()
    {
        var delta = Numbers.Argument("delta", -NumberMax, NumberMax, -3, "Pieces to add; negative: to remove.");
        var key = CommandLine.Key();
        return new Command("adjust", "Add to what is available, or take from it.\n\n  shop product adjust lamp 10\n  shop product adjust lamp -3")
            { Id, delta, key }.SetHandler(async context =>
        {
            var adjusted = await context.Shop.Stock.AdjustStockAsync(
                new()
                {
                    ProductId = context.GetValue(Id),
                    Delta = context.GetValue(delta),
                    IdempotencyKey = context.GetKey(key, "stock may have been adjusted"),
                },
                cancellationToken: context.CancellationToken);
            context.Write(adjusted, () => Print(adjusted.Product));
            return ExitCode.Done;
        });
    }

    private static void Print(params IEnumerable<Product> products) => Terminal.WriteTable(
        ["product", "name", "won", "available", "held", "sold", "stocked"],
        products.Select(p => (IReadOnlyList<Cell>)
            [p.ProductId, p.Name, $"{p.Price:N0}", $"{p.Available:N0}", $"{p.Held:N0}", $"{p.Sold:N0}", $"{p.Stocked:N0}"]),
        "name");
}
