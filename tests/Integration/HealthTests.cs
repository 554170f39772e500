using System.Net;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Integration;

/// <summary>Liveness and readiness, as an orchestrator probes them.</summary>
[Collection(nameof(OnRedis))]
public sealed class HealthTests(RunningShop shop)
{
    [Theory, InlineData("8080"), InlineData("8082"), InlineData("8083"), InlineData("8084")]
    public async Task Both_are_served_over_HTTP(string port)
    {
        using var http = new HttpClient();
        foreach (var path in (string[])["/healthz/live", "/healthz/ready"])
        {
            using var answer = await http.GetAsync(shop.AddressOf(port) + path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal("Healthy", await answer.Content.ReadAsStringAsync());
        }
    }

    [Theory, InlineData("5001"), InlineData("5002"), InlineData("5003"), InlineData("5004")]
    public async Task Both_are_served_over_gRPC(string port)
    {
        using var channel = GrpcChannel.ForAddress(shop.AddressOf(port));
        var health = new Health.HealthClient(channel);
        foreach (var name in (string[])["", "liveness"])
        {
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new() { Service = name })).Status);
        }
    }
}
