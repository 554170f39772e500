using System.Text.Json.Nodes;
using Grpc.Core;
using Shop.V1;
using DeadLetterService = Shop.V1.DeadLetterService;

namespace ShopConsole;

/// <summary>The dead letters of the four services. Each service keeps its own.</summary>
internal sealed class DeadLetterClients(Shop.ShopClients shop, TimeProvider clock)
{
    private const int PageSize = 200;

    private readonly (string AppId, DeadLetterService.DeadLetterServiceClient Client)[] services = [.. Shop.ShopClients.AppIds.Zip(shop.DeadLetters)];

    /// <summary>For each service its answer to ListDeadLetters and its app id; or its app id and why it did not answer.</summary>
    public async Task<JsonArray> ListAsync(CancellationToken ct) => new(await Task.WhenAll(services.Select(async service =>
    {
        try
        {
            var listed = await service.Client.ListDeadLettersAsync(new() { PageSize = PageSize }, Calls.Options(clock, ct));
            var json = JsonNode.Parse(ConsoleEvents.Json.Format(listed))!;
            json["appId"] = service.AppId;
            return json;
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            return new JsonObject { ["appId"] = service.AppId, ["problem"] = fault.Status.Detail };
        }
    })));

    public async Task<RedriveDeadLetterResponse> RedriveAsync(string appId, string id, bool dryRun, CancellationToken ct) =>
        await GetClient(appId).RedriveDeadLetterAsync(new() { DeadLetterId = id, DryRun = dryRun }, Calls.Options(clock, ct));

    public async Task<DiscardDeadLetterResponse> DiscardAsync(string appId, string id, CancellationToken ct) =>
        await GetClient(appId).DiscardDeadLetterAsync(new() { DeadLetterId = id }, Calls.Options(clock, ct));

    private DeadLetterService.DeadLetterServiceClient GetClient(string appId) =>
        services.FirstOrDefault(service => service.AppId == appId).Client ?? throw new RejectedException(Rejection.NotFound("service", appId));
}
