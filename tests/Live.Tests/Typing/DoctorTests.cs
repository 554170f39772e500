using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using StandIns.Daprd;

namespace Live.Typing;

/// <summary>The doctor at a running shop, and where there is none.</summary>
[Collection(nameof(OnRedis))]
public sealed class DoctorTests(RunningShop shop)
{
    [Fact]
    public async Task A_shop_that_is_well_but_for_a_Redis_that_keeps_nothing()
    {
        var found = (await ExamineAsync(1)).Json.EnumerateArray().ToArray();
        var problem = Assert.Single(found, about => about.GetProperty("verdict").GetString() != "ok");
        Assert.Equal($"persistence of Redis {shop.RedisAddress}", $"{problem.GetProperty("what")} of {problem.GetProperty("of")}");
        Assert.Contains("appendonly yes", problem.GetProperty("advice").GetString());
        foreach (var service in (string[])["orders", "stock", "payments", "coupons"])
        {
            Assert.Contains(found, about =>
                about.GetProperty("of").GetString() == $"{service} sidecar" && about.GetProperty("what").GetString() == "subscriptions");
        }

        var built = FileVersionInfo.GetVersionInfo(RunningShop.ProgramOf("Stock")).ProductVersion!;
        var version = found.Single(about => about.GetProperty("of").GetString() == "services").GetProperty("seen").GetString()!;
        Assert.Matches(@"^\d+\.\d+\.\d+(\+[0-9a-f]{10})?$", version);
        Assert.StartsWith(version, built);

        await shop.Redis.ExecuteAsync("CONFIG", "SET", "appendonly", "yes");
        try
        {
            Assert.All((await ExamineAsync(0)).Json.EnumerateArray(), about => Assert.Equal("ok", about.GetProperty("verdict").GetString()));
        }
        finally
        {
            await shop.Redis.ExecuteAsync("CONFIG", "SET", "appendonly", "no");
        }
    }

    [Fact]
    public async Task What_is_wrong_is_named_with_what_to_do()
    {
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        var typed = await ExamineAsync(1,
            "--orders-sidecar", shop.AddressOf("50002"), "--stock-sidecar", $"http://localhost:{FreePort.Take()}",
            "--payments-sidecar", $"http://localhost:{((IPEndPoint)mute.LocalEndpoint).Port}", "--coupons-sidecar", shop.AddressOf("8084"),
            "--components", "/nowhere");
        var found = typed.Json.EnumerateArray().Where(about => about.GetProperty("verdict").GetString() != "ok")
            .ToDictionary(about => about.GetProperty("of").GetString()!, about => $"{about.GetProperty("seen")} {about.GetProperty("advice")}");
        Assert.Contains("It is the sidecar of 'stock'", found["orders sidecar"]);
        Assert.Contains("Nobody listens", found["stock sidecar"]);
        Assert.Contains("nobody answers within", found["payments sidecar"]);
        Assert.Contains("Somebody else listens", found["coupons sidecar"]);
        Assert.Contains("--components", found["/nowhere"]);
    }

    [Fact]
    public async Task Where_nothing_runs_everything_is_missing_and_it_is_3()
    {
        var nowhere = Enumerable.Range(0, 5).Select(_ => FreePort.Take()).ToArray();
        var components = Directory.CreateTempSubdirectory("components-");
        File.WriteAllText(Path.Combine(components.FullName, "pubsub.yaml"),
            File.ReadAllText(Path.Combine(RunningShop.Root, "components/pubsub.yaml")).Replace("localhost:6379", $"localhost:{nowhere[4]}"));
        var names = new[] { "orders", "stock", "payments", "coupons" };
        var addresses = names.Zip(nowhere, (name, port) => (string[])[$"--{name}", $"http://localhost:{port}", $"--{name}-sidecar", $"http://localhost:{port}"]);
        var typed = await Typed.AloneAsync(["doctor", "--components", components.FullName, .. addresses.SelectMany(words => words)]);
        components.Delete(recursive: true);
        Assert.Equal(3, typed.Exit);
        Assert.Equal(8, typed.Output.Split("Nobody listens at").Length - 1);
        Assert.Matches($@"Redis localhost:{nowhere[4]} +reach +It does not answer\.", typed.Output);
        Assert.Contains("10 looked at: 0 ok, 0 warnings, 10 problems.", typed.Output);
    }

    private async Task<Typed> ExamineAsync(int exit, params string[] words)
    {
        string[] sidecars = ["--orders-sidecar", shop.AddressOf("50001"), "--stock-sidecar", shop.AddressOf("50002"),
            "--payments-sidecar", shop.AddressOf("50003"), "--coupons-sidecar", shop.AddressOf("50004"), "--components", shop.Components];
        var typed = await Typed.InAsync(shop, ["doctor", "--json", .. words.Length > 0 ? words : sidecars]);
        Assert.True(typed.Exit == exit, $"{typed}");
        return typed;
    }
}
