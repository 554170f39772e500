using System.Collections.Immutable;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace Stock;

internal sealed class StockService(
    ISidecar sidecar, DocumentStore documents, IdempotentCommands commands, IdIndex index, DocumentList list, Participant<Product> participant)
    : Shop.V1.StockService.StockServiceBase
{
    private static readonly IdGroup Index = new("products", Shards: 64);

    public override async Task<Shop.V1.PutProductResponse> PutProduct(Shop.V1.PutProductRequest request, ServerCallContext context)
    {
        new RequestCheck()
            .Id("product_id", request.ProductId)
            .Text("name", request.Name, 1, 200)
            .Range("price", request.Price, 0, Product.PriceMax)
            .Range("initial_stock", request.InitialStock, 0, 1_000_000_000)
            .IdempotencyKey(request.IdempotencyKey)
            .ThrowIfInvalid();
        await index.AddAsync(Index, request.ProductId, context.CancellationToken);
        return await commands.RunAsync<Product, Shop.V1.PutProductResponse>(Product.KeyOf(request.ProductId), request.IdempotencyKey, request, Caller.Of(context), kept =>
        {
            var product = kept is null
                ? new Product(request.ProductId, request.Name, request.Price, Holdings.Of(request.InitialStock), [])
                : kept with { Name = request.Name, Price = request.Price };
            return new(product, new() { Product = ToWire(product) }, null);
        }, context.CancellationToken);
    }

    public override async Task<Shop.V1.AdjustStockResponse> AdjustStock(Shop.V1.AdjustStockRequest request, ServerCallContext context)
    {
        new RequestCheck()
            .Id("product_id", request.ProductId)
            .Range("delta", request.Delta, -1_000_000_000, 1_000_000_000)
            .Must(request.Delta != 0, "delta", "must not be 0.")
            .IdempotencyKey(request.IdempotencyKey)
            .ThrowIfInvalid();
        return await commands.RunAsync<Product, Shop.V1.AdjustStockResponse>(Product.KeyOf(request.ProductId), request.IdempotencyKey, request, Caller.Of(context), kept =>
        {
            if (kept is null) return Rejection.NotFound("product", request.ProductId);
            if (kept.Holdings.Available + request.Delta < 0)
            {
                return Rejection.Precondition(($"product/{request.ProductId}", new FailureReason("OUT_OF_STOCK",
                    $"{-request.Delta} of product '{request.ProductId}' cannot be taken away: {kept.Holdings.Available} are available.")));
            }
            var product = kept.With(kept.Holdings.Add(request.Delta));
            return new(product, new() { Product = ToWire(product) }, null);
        }, context.CancellationToken);
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.GetProductResponse> GetProduct(Shop.V1.GetProductRequest request, ServerCallContext context)
    {
        new RequestCheck().Id("product_id", request.ProductId).ThrowIfInvalid();
        var product = (await sidecar.ReadAsync<Product>(Product.KeyOf(request.ProductId), context.CancellationToken)).Value
            ?? throw new RejectedException(Rejection.NotFound("product", request.ProductId));
        return new() { Product = ToWire(product) };
    }

    [Allow(Role.User, Role.App + "orders")]
    public override async Task<Shop.V1.BatchGetProductsResponse> BatchGetProducts(Shop.V1.BatchGetProductsRequest request, ServerCallContext context)
    {
        new RequestCheck().Ids("product_ids", request.ProductIds).ThrowIfInvalid();
        var found = await documents.ReadAndCacheAsync<Product>([.. request.ProductIds.Select(Product.KeyOf)], context.CancellationToken);
        var response = new Shop.V1.BatchGetProductsResponse();
        foreach (var (id, product) in request.ProductIds.Zip(found))
        {
            if (product is null) response.MissingProductIds.Add(id);
            else response.Products.Add(ToWire(product));
        }
        return response;
    }

    [Allow(Role.User)]
    public override async Task<Shop.V1.ListProductsResponse> ListProducts(Shop.V1.ListProductsRequest request, ServerCallContext context)
    {
        new RequestCheck().Page(request.PageSize, request.PageToken).ThrowIfInvalid();
        var (ids, next) = await index.ReadPageAsync(Index, request.PageToken, RequestCheck.GetPageSize(request.PageSize), context.CancellationToken);
        var (products, unreadable) = await list.ReadAsync<Product>(ids, Product.KeyOf, context.CancellationToken);
        return new() { Products = { products.Select(ToWire) }, UnreadableProductIds = { unreadable }, NextPageToken = next };
    }

    public override async Task<Shop.V1.GetReservationResponse> GetReservation(Shop.V1.GetReservationRequest request, ServerCallContext context)
    {
        new RequestCheck().OrderId(request.OrderId).ThrowIfInvalid();
        var reservation = await participant.FindAsync(request.OrderId.ToLowerInvariant(), context.CancellationToken)
            ?? throw new RejectedException(Rejection.NotFound("reservation", request.OrderId));
        var answer = new Shop.V1.Reservation
        {
            OrderId = reservation.OrderId,
            ReservationId = StockDecisions.ToReservationId(reservation.OrderId),
            Status = reservation.Status switch
            {
                ReservationStatus.Reserved => Shop.V1.ReservationStatus.Reserved,
                ReservationStatus.Rejected => Shop.V1.ReservationStatus.Rejected,
                ReservationStatus.Released => Shop.V1.ReservationStatus.Released,
                ReservationStatus.Settled => Shop.V1.ReservationStatus.Settled,
            },
            Reason = reservation.RejectionReason?.Reason ?? "",
            Detail = reservation.RejectionReason?.Detail ?? "",
            UpdateTime = Timestamp.FromDateTimeOffset(reservation.Changed),
        };
        answer.Items.AddRange(reservation.Lines.Select(line => new Shop.V1.OrderLine
        {
            ProductId = line.ResourceId,
            Quantity = line.Amount <= int.MaxValue ? (int)line.Amount
                : throw new CorruptDocumentException($"The reservation of order {reservation.OrderId} is corrupt: it has {line.Amount} pieces of {line.ResourceId}."),
        }));
        return new() { Reservation = answer };
    }

    private static Shop.V1.Product ToWire(Product product) => new()
    {
        ProductId = product.Id,
        Name = product.Name,
        Price = product.Price,
        Available = product.Holdings.Available,
        Held = product.Holdings.Held,
        Sold = product.Holdings.Consumed,
        Stocked = product.Holdings.Total,
    };
}
