using System.CommandLine;
using Shop.V1;

namespace Shop;

/// <summary>Products, their prices and stock.</summary>
internal static class ProductCommands
{
    private static readonly Argument<string> Id = new("product") { Description = "1 to 64 of A-Z a-z 0-9 - _ . : @" };

    public static Command Product() => new("product", "Put products on sale, adjust their stock.") { Put(), Show(), List(), Adjust() };

    private static Command Put()
    {
        var name = new Option<string>("--name") { Description = "1 to 200 characters.", Required = true };
        var price = new Option<long>("--price") { Description = "Won a piece.", Required = true };
        var stock = new Option<long>("--pieces") { Description = "So many to begin with; counts only when the product is new." };
        var key = CommandLine.Key();
        return new Command("put", "Create a product, or change its name and price.\n\n  shop product put chair --name 'Office chair' --price 310000 --pieces 5") { Id, name, price, stock, key }.Does(async call =>
        {
            var put = await call.Shop.Stock.PutProductAsync(
                new() { ProductId = call.Of(Id), Name = call.Of(name), Price = call.Of(price), InitialStock = call.Of(stock), IdempotencyKey = call.Of(key) }, cancellationToken: call.Stop);
            call.Answer(put, () => Print(put.Product));
            return ExitCode.Done;
        });
    }

    private static Command Show() => new Command("show", "One product.\n\n  shop product show lamp") { Id }.Does(async call =>
    {
        var got = await call.Shop.Stock.GetProductAsync(new() { ProductId = call.Of(Id) }, cancellationToken: call.Stop);
        call.Answer(got, () => Print(got.Product));
        return ExitCode.Done;
    });

    private static Command List() => new Command("list", "All products, by id.\n\n  shop product list").Does(async call =>
    {
        var all = new ListProductsResponse();
        await foreach (var page in Pages.OfAsync(token => call.Shop.Stock.ListProductsAsync(new() { PageToken = token }, cancellationToken: call.Stop), page => page.NextPageToken)) all.Products.AddRange(page.Products);
        call.Answer(all, () => Print([.. all.Products]));
        return ExitCode.Done;
    });

    private static Command Adjust()
    {
        var delta = new Argument<long>("delta") { Description = "Pieces that came, or with a minus went." };
        var key = CommandLine.Key();
        return new Command("adjust", "Add to what is available, or take from it.\n\n  shop product adjust lamp 10\n  shop product adjust lamp -3") { Id, delta, key }.Does(async call =>
        {
            var adjusted = await call.Shop.Stock.AdjustStockAsync(new() { ProductId = call.Of(Id), Delta = call.Of(delta), IdempotencyKey = call.Of(key) }, cancellationToken: call.Stop);
            call.Answer(adjusted, () => Print(adjusted.Product));
            return ExitCode.Done;
        });
    }

    private static void Print(params IEnumerable<Product> products) => CommandLine.Print(["product", "name", "won", "available", "held", "sold", "stocked"],
        products.Select(p => (IEnumerable<string>)[p.ProductId, p.Name, $"{p.Price:N0}", $"{p.Available:N0}", $"{p.Held:N0}", $"{p.Sold:N0}", $"{p.Stocked:N0}"]));
}
