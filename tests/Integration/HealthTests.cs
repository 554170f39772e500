using System.Net;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Integration;

/// <summary>Liveness and readiness, as an orchestrator asks for them.</summary>
[Collection(nameof(OnRedis))]
public sealed class HealthTests(RunningShop shop)
{
    [Theory, InlineData("8080"), InlineData("8082"), InlineData("8083"), InlineData("8084")]
    public async Task Both_have_a_path_over_HTTP(string port)
    {
        using var http = new HttpClient();
        foreach (var path in (string[])["/healthz/live", "/healthz/ready"])
        {
            using var answer = await http.GetAsync(shop.AddressOf(port) + path);
            Assert.Equal((HttpStatusCode.OK, "Healthy"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        }
    }

    [Theory, InlineData("5001"), InlineData("5002"), InlineData("5003"), InlineData("5004")]
    public async Task Both_have_a_name_over_gRPC_and_the_empty_one_is_readiness(string port)
    {
        using var channel = GrpcChannel.ForAddress(shop.AddressOf(port));
        var health = new Health.HealthClient(channel);
        foreach (var name in (string[])["", "liveness"])
        {
            Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, (await health.CheckAsync(new() { Service = name })).Status);
        }
    }
}
