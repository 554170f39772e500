using System.Text.Json.Nodes;
using Google.Protobuf;
using Grpc.Core;
using Wire = Shop.V1;

namespace Orders.Console;

/// <summary>The dead letters of all four services. Each keeps its own and is asked through the sidecar, this one too.</summary>
internal sealed class DeadLetterDesk(SidecarChannel sidecar)
{
    private const int ShownMax = 200;

    /// <summary>A service that takes longer is shown as not answering.</summary>
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(5);

    private readonly (string AppId, Wire.DeadLetterService.DeadLetterServiceClient Letters)[] services =
    [
        .. new[] { "orders", "stock", "payments", "coupons" }
            .Select(appId => (appId, new Wire.DeadLetterService.DeadLetterServiceClient(sidecar.To(appId)))),
    ];

    /// <summary>For each service its answer to ListDeadLetters, with its app id; or why there is none.</summary>
    public async Task<JsonArray> ListAsync(JsonFormatter json, CancellationToken ct) => new(await Task.WhenAll(services.Select(async service =>
    {
        try
        {
            var listed = await service.Letters.ListDeadLettersAsync(new() { PageSize = ShownMax }, Options(ct));
            var shown = JsonNode.Parse(json.Format(listed))!;
            shown["appId"] = service.AppId;
            return shown;
        }
        catch (RpcException fault) when (!ct.IsCancellationRequested)
        {
            return new JsonObject { ["appId"] = service.AppId, ["problem"] = fault.Status.Detail };
        }
    })));

    public async Task<Wire.RedriveDeadLetterResponse> RedriveAsync(string appId, string id, bool dryRun, CancellationToken ct) =>
        await Of(appId).RedriveDeadLetterAsync(new() { DeadLetterId = id, DryRun = dryRun }, Options(ct));

    public async Task<Wire.DiscardDeadLetterResponse> DiscardAsync(string appId, string id, CancellationToken ct) =>
        await Of(appId).DiscardDeadLetterAsync(new() { DeadLetterId = id }, Options(ct));

    private Wire.DeadLetterService.DeadLetterServiceClient Of(string appId) =>
        services.FirstOrDefault(service => service.AppId == appId).Letters ?? throw new RejectedException(Rejection.NotFound("service", appId));

    private static CallOptions Options(CancellationToken ct) => new(deadline: DateTime.UtcNow + AnswerMax, cancellationToken: ct);
}
