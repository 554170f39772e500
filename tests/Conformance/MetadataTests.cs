using System.Net;
using System.Text.Json;

namespace Conformance;

/// <summary>The metadata and health of a sidecar over both protocols.</summary>
[Collection(nameof(OnSharedSidecar))]
public sealed class MetadataTests(SharedSidecar shared)
{
    private Sidecar Sidecar => shared.Sidecar;

    [Fact]
    public async Task Metadata_contains_app_components_and_capabilities()
    {
        var metadata = await Sidecar.Dapr.GetMetadataAsync(new());
        Assert.Equal((SharedSidecar.AppId, shared.App.Port), (metadata.Id, metadata.AppConnectionProperties.Port));
        Assert.Equal(
            ["pubsub.in-memory v1", "pubsub.redis v1", "state.in-memory v1", "state.redis v1"],
            metadata.RegisteredComponents.Select(c => $"{c.Type} {c.Version}").Distinct().Order());
        using var json = await OverHttpAsync();
        Assert.Equal(SharedSidecar.AppId, json.RootElement.GetProperty("id").GetString());
        var connection = json.RootElement.GetProperty("appConnectionProperties");
        Assert.Equal((shared.App.Port, "grpc"), (connection.GetProperty("port").GetInt32(), connection.GetProperty("protocol").GetString()));
        Assert.Equal(0, connection.TryGetProperty("maxConcurrency", out var most) ? most.GetInt32() : 0);
        var store = json.RootElement.GetProperty("components").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "store");
        Assert.Contains("TRANSACTIONAL", store.GetProperty("capabilities").EnumerateArray().Select(c => c.GetString()));
    }

    [Fact]
    public async Task Without_a_scheduler_the_outbound_health_check_succeeds_and_the_main_one_fails()
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Sidecar.Http.GetAsync("/v1.0/healthz/outbound")).StatusCode);
        using var response = await Sidecar.Http.GetAsync("/v1.0/healthz");
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        using var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal("ERR_HEALTH_NOT_READY", json.RootElement.GetProperty("errorCode").GetString());
        Assert.Contains("[scheduler-watch-hosts]", json.RootElement.GetProperty("message").GetString());
    }

    private async Task<JsonDocument> OverHttpAsync() => JsonDocument.Parse(await Sidecar.Http.GetStringAsync("/v1.0/metadata"));
}
