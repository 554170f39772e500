using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace StandIns.GrpcTests;

public class HealthChecks
{
    [Fact]
    public async Task A_server_serves_while_all_its_checks_are_healthy()
    {
        var (server, client, broken) = await StartAsync();
        await using var _ = server;

        Assert.Equal(ServingStatus.Serving, (await client.CheckAsync(new HealthCheckRequest())).Status);
        broken.Add("store");
        Assert.Equal(ServingStatus.NotServing, (await client.CheckAsync(new HealthCheckRequest())).Status);
    }

    [Fact]
    public async Task A_service_name_depends_on_the_checks_mapped_to_it_only()
    {
        var (server, client, broken) = await StartAsync();
        await using var _ = server;

        broken.Add("store");

        Assert.Equal(ServingStatus.Serving, (await client.CheckAsync(new HealthCheckRequest { Service = "liveness" })).Status);
    }

    [Fact]
    public async Task An_unknown_service_is_not_found()
    {
        var (server, client, _) = await StartAsync();
        await using var __ = server;

        var e = await Assert.ThrowsAsync<RpcException>(async () => await client.CheckAsync(new HealthCheckRequest { Service = "nobody" }));

        Assert.Equal(StatusCode.NotFound, e.StatusCode);
    }

    [Fact]
    public async Task A_watcher_is_told_the_status_now_and_each_change()
    {
        var (server, client, broken) = await StartAsync();
        await using var _ = server;
        using var call = client.Watch(new HealthCheckRequest());

        Assert.Equal(ServingStatus.Serving, await NextAsync(call));
        await PublishAsync(server);
        broken.Add("store");
        await PublishAsync(server);
        Assert.Equal(ServingStatus.NotServing, await NextAsync(call));
        broken.Clear();
        await PublishAsync(server);
        Assert.Equal(ServingStatus.Serving, await NextAsync(call));
    }

    [Fact]
    public async Task A_watcher_of_an_unknown_service_is_told_so_and_may_stay()
    {
        var (server, client, _) = await StartAsync();
        await using var __ = server;
        using var call = client.Watch(new HealthCheckRequest { Service = "nobody" });

        Assert.Equal(ServingStatus.ServiceUnknown, await NextAsync(call));
        Assert.Throws<InvalidOperationException>(() => call.GetStatus());
    }

    private static async Task<(TestServer Server, Health.HealthClient Client, HashSet<string> Broken)> StartAsync()
    {
        var broken = new HashSet<string>();
        HealthCheckResult Of(string name) => broken.Contains(name) ? HealthCheckResult.Unhealthy() : HealthCheckResult.Healthy();
        var server = await TestServer.StartAsync(
            services: services => services
                .AddGrpcHealthChecks(options => options.Services.Map("liveness", check => check.Tags.Contains("live")))
                .AddCheck("self", () => Of("self"), ["live"])
                .AddCheck("store", () => Of("store")),
            map: app => app.MapGrpcHealthChecksService());
        return (server, new Health.HealthClient(server.Channel), broken);
    }

    /// <summary>What ASP.NET Core does by itself every half minute.</summary>
    private static async Task PublishAsync(TestServer server)
    {
        var report = await server.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        foreach (var publisher in server.Services.GetServices<IHealthCheckPublisher>())
        {
            await publisher.PublishAsync(report, CancellationToken.None);
        }
    }

    private static async Task<ServingStatus> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> call)
    {
        Assert.True(await call.ResponseStream.MoveNext());
        return call.ResponseStream.Current.Status;
    }
}
