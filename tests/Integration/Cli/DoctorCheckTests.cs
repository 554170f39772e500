using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using Shop;
using Shop.Doctor;
using Shop.V1;

namespace Integration.Cli;

/// <summary>What the doctor says of a sidecar, a Redis and files, whatever they may be like.</summary>
public sealed class DoctorCheckTests : IDisposable
{
    private static readonly ServiceEndpoint Stock = new("Stock", "http://localhost:5002", GrpcChannel.ForAddress("http://localhost:5002"));

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("components-");
    private readonly List<TopicSubscription> wants =
    [
        new() { Topic = "order-created", DeadLetterTopic = "stock-dead-letters" },
        new() { Topic = "stock-dead-letters" },
    ];
    private readonly GetMetadataResponse said = new()
    {
        Id = "stock",
        RuntimeVersion = "1.18.3",
        AppConnectionProperties = new() { Port = 5002, Protocol = "grpc", Health = new() { HealthThreshold = 3 } },
        RegisteredComponents =
        {
            new RegisteredComponents { Name = "statestore", Type = "state.redis", Version = "v1", Capabilities = { "ETAG", "TRANSACTIONAL" } },
            new RegisteredComponents { Name = "pubsub", Type = "pubsub.redis", Version = "v1" },
        },
        Subscriptions =
        {
            new PubsubSubscription { Topic = "order-created", DeadLetterTopic = "stock-dead-letters" },
            new PubsubSubscription { Topic = "stock-dead-letters" },
        },
        Resiliencies = { new MetadataResiliency { Name = "resiliency" } },
    };

    private readonly Dictionary<string, string> info = new()
    {
        ["redis_version"] = "7.0.15", ["aof_enabled"] = "1", ["aof_last_write_status"] = "ok", ["role"] = "master", ["maxmemory"] = "0",
    };

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void A_sidecar_that_has_everything_is_well() =>
        Assert.All(SidecarCheck.Evaluate(Stock, said, wants), about => Assert.Equal((Severity.Ok, ""), (about.Severity, about.Advice)));

    [Fact]
    public void The_sidecar_of_another_service() => Finds(Severity.Problem, "app id", "--stock-sidecar", () => said.Id = "orders", "'orders'");

    [Fact]
    public void A_sidecar_that_knows_no_app() => Finds(Severity.Problem, "app", "--app-port 5002", () => said.AppConnectionProperties = null);

    [Fact]
    public void A_sidecar_that_delivers_elsewhere() => Finds(Severity.Problem, "app", "appPort", () => said.AppConnectionProperties.Port = 7);

    [Fact]
    public void A_sidecar_that_does_not_look_whether_its_app_lives() =>
        Finds(Severity.Warning, "app", "enableAppHealthCheck", () => said.AppConnectionProperties.Health = null);

    [Fact]
    public void No_state_store() =>
        Finds(Severity.Problem, "statestore", "components/statestore.yaml", () => said.RegisteredComponents.RemoveAt(0));

    [Fact]
    public void A_state_store_without_ETags() =>
        Finds(Severity.Problem, "statestore", "compare-and-set", () => said.RegisteredComponents[0].Capabilities.Remove("ETAG"));

    [Fact]
    public void A_broker_in_memory() =>
        Finds(Severity.Warning, "pubsub", "--embedded", () => said.RegisteredComponents[1].Type = "pubsub.in-memory");

    [Fact]
    public void No_resiliency_policy() => Finds(Severity.Problem, "resiliency", "components/resiliency.yaml", said.Resiliencies.Clear);

    [Theory]
    [InlineData("1.16.5")]
    [InlineData("edge")]
    public void A_sidecar_that_does_not_tell_its_policies(string version) =>
        Finds(Severity.Warning, "resiliency", "1.18", () => {
        said.Resiliencies.Clear();
        said.RuntimeVersion = version;
    });

    [Fact]
    public void A_topic_that_is_not_subscribed() => Finds(
        Severity.Problem, "subscriptions", "Start the sidecar again", () => wants.Add(new() { Topic = "order-failed" }), "order-failed");

    [Fact]
    public void A_topic_without_dead_letters() =>
        Finds(Severity.Problem, "dead-letter topics", "", () => said.Subscriptions[0].DeadLetterTopic = "", "order-created");

    [Fact]
    public void Dead_letters_that_nobody_hears() =>
        Finds(Severity.Problem, "dead-letter topics", "", () => {
        said.Subscriptions.RemoveAt(1);
        wants.RemoveAt(1);
    }, "stock-dead-letters");

    [Fact]
    public void A_service_that_does_not_say_what_it_wants()
    {
        var about = SidecarCheck.Evaluate(Stock, said, null).Single(about => about.Check == "subscriptions");
        Assert.Equal(Severity.Warning, about.Severity);
    }

    [Fact]
    public void Sidecars_of_different_versions()
    {
        Assert.Null(SidecarCheck.Versions([]));
        Assert.Equal(Severity.Ok, SidecarCheck.Versions([said, said])!.Severity);
        Assert.Equal((Severity.Warning, "Dapr 1.17.0, 1.18.3"),
            SidecarCheck.Versions([said, new() { RuntimeVersion = "1.17.0" }]) is { } about ? (about.Severity, about.Observed) : default);
    }

    [Fact]
    public void Services_of_different_builds()
    {
        const string Older = "1.0.0+48aeb9393951c16367732bf236233322b31f1335", Newer = "1.0.0+da26bd5c73a0c4b1e4d7ff3c2a8b95d1f0a6e7b2";
        Assert.Null(VersionCheck.Evaluate([]));
        Assert.Equal(CheckResult.Ok("services", "version", "1.0.0+48aeb93939"), VersionCheck.Evaluate([("Orders", Older), ("Stock", Older)]));
        Assert.Equal((Severity.Warning, "Orders, Payments: 1.0.0+48aeb93939; Stock: 1.0.0+da26bd5c73; Coupons: unknown"),
            VersionCheck.Evaluate([("Orders", Older), ("Stock", Newer), ("Payments", Older), ("Coupons", "")]) is { } about ? (about.Severity, about.Observed) : default);
        Assert.Equal(Severity.Warning, VersionCheck.Evaluate([("Orders", "")])!.Severity);
    }

    [Theory]
    [InlineData("", "", "", nameof(Severity.Ok), "version")]
    [InlineData("redis_version", "4.0.14", "", nameof(Severity.Problem), "version")]
    [InlineData("", "", "", nameof(Severity.Ok), "persistence")]
    [InlineData("aof_last_write_status", "err", "", nameof(Severity.Problem), "persistence")]
    [InlineData("aof_enabled", "0", "", nameof(Severity.Problem), "persistence")]
    [InlineData("aof_enabled", "0", "3600 1", nameof(Severity.Warning), "persistence")]
    [InlineData("aof_enabled", "0", null, nameof(Severity.Warning), "persistence")]
    [InlineData("role", "slave", "", nameof(Severity.Problem), "role")]
    public void What_Redis_tells_of_itself(string name, string value, string? save, string verdict, string what)
    {
        if (name.Length > 0) info[name] = value;
        var about = RedisCheck.Evaluate("Redis", info, save).Single(about => about.Check == what);
        Assert.Equal(verdict, $"{about.Severity}");
        Assert.Equal(about.Severity == Severity.Ok, about.Advice.Length == 0);
    }

    [Theory]
    [InlineData("allkeys-lru", true)]
    [InlineData("noeviction", false)]
    public void A_Redis_that_forgets_when_it_is_full(string policy, bool forgets)
    {
        (info["maxmemory"], info["maxmemory_policy"]) = ("1000000", policy);
        Assert.Equal(forgets, RedisCheck.Evaluate("Redis", info, "").Any(about => about is { What: "memory", Severity: Severity.Problem }));
    }

    [Theory]
    [InlineData(2.9, nameof(Severity.Ok))]
    [InlineData(-2.9, nameof(Severity.Ok))]
    [InlineData(3.1, nameof(Severity.Warning))]
    [InlineData(-90, nameof(Severity.Warning))]
    public void A_clock_that_is_off(double seconds, string verdict) =>
        Assert.Equal(verdict, $"{ClockCheck.Evaluate("Stock", TimeSpan.FromSeconds(seconds)).Severity}");

    [Fact]
    public void The_date_of_an_answer_tells_the_clock()
    {
        var now = new DateTime(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc);
        Assert.Equal(TimeSpan.FromSeconds(-60), ClockCheck.Ahead("Sun, 01 Mar 2026 11:59:00 GMT", now));
        Assert.Null(ClockCheck.Ahead(null, now));
    }

    [Fact]
    public void The_projects_own_files_name_one_Redis_and_try_deliveries_again()
    {
        var files = ComponentFiles.Read(Path.Combine(RunningShop.Root, "components"));
        Assert.Equal([new RedisEndpoint("localhost:6379", "", "", Tls: false)], files.Redis);
        Assert.True(files.RetriesDeliveries);
    }

    [Fact]
    public void Files_without_a_policy_for_the_broker_or_with_one_that_is_not_there()
    {
        Assert.False(ComponentFiles.Read(folder.FullName).RetriesDeliveries);
        File.WriteAllText(Path.Combine(folder.FullName, "resiliency.yaml"),
            File.ReadAllText(Path.Combine(RunningShop.Root, "components/resiliency.yaml")).Replace("      delivery:\n", "      other:\n"));
        Assert.False(ComponentFiles.Read(folder.FullName).RetriesDeliveries);
    }

    [Theory]
    [InlineData(2, 0, nameof(Severity.Ok))]
    [InlineData(2, 40, nameof(Severity.Ok))]
    [InlineData(30, 0, nameof(Severity.Ok))]
    [InlineData(30, 12, nameof(Severity.Problem))]
    [InlineData(61, 0, nameof(Severity.Problem))]
    public void A_sweep_that_fails_or_has_not_completed_for_long(double age, int failures, string verdict)
    {
        var about = Assert.Single(SweepCheck.Evaluate("Stock", $$"""
            # TYPE saga_sweep_failures_total counter
            saga_sweep_failures_total{otel_scope_name="DaprSaga",sweep="product"} {{failures}} 1764170000000
            # TYPE saga_sweep_last_success_age_seconds gauge
            saga_sweep_last_success_age_seconds{otel_scope_name="DaprSaga",sweep="product"} {{age}} 1764170000000
            """));
        Assert.Equal((verdict, "sweeps"), ($"{about.Severity}", about.Check));
        Assert.Contains($"product that succeeded ended {age} s ago; {failures} have failed", about.Observed);
    }

    [Fact]
    public void A_service_that_does_not_say_whether_its_sweeps_run() =>
        Assert.Equal(Severity.Warning, Assert.Single(SweepCheck.Evaluate("Stock", "saga_orders_open 1")).Severity);

    [Fact]
    public void Dead_letters_are_a_warning_and_reservations_among_them_a_problem()
    {
        Assert.Equal(CheckResult.Ok("Stock", "dead letters", "none waits"), Assert.Single(DeadLettersCheck.Evaluate("Stock", new())));
        ListDeadLettersResponse listed = new() { More = 4 };
        for (var at = 0; at < 3; at++) listed.DeadLetters.Add(new DeadLetter { Topic = "order-failed", DeadTime = Timestamp.FromDateTime(DateTime.UnixEpoch) });
        listed.DeadLetters.Add(new DeadLetter { Topic = "reservations", OrderId = "o-1", DeadLetterId = "0123", Problem = "Product p is gone." });
        var found = DeadLettersCheck.Evaluate("Stock", listed).ToArray();
        Assert.Equal((Severity.Warning, "7 wait, the oldest since 1970-01-01 00:00:00Z"), (found[0].Severity, found[0].Seen));
        Assert.Contains("./shop dead-letters list", found[0].Advice);
        Assert.Equal((Severity.Problem, "reservations"), (found[1].Severity, found[1].What));
        Assert.Contains("order o-1: Product p is gone", found[1].Seen);
        Assert.Contains("./shop dead-letters show 0123", found[1].Advice);
    }

    [Fact]
    public async Task A_sidecar_without_a_scheduler_is_a_warning_and_one_that_cannot_be_called_a_problem()
    {
        await using var without = await SidecarHttp.StartAsync(500, """{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [scheduler-watch-hosts]"}""", 204);
        await using var broken = await SidecarHttp.StartAsync(500, """{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [grpc-api-server]"}""", 500);
        await using var well = await SidecarHttp.StartAsync(204, "", 204);
        var nowhere = $"http://localhost:{FreePort.Take()}";
        SidecarHealth[] asked =
        [
            await ReadinessCheck.AskAsync("orders", without.Address, default), await ReadinessCheck.AskAsync("stock", broken.Address, default),
            await ReadinessCheck.AskAsync("payments", well.Address, default), await ReadinessCheck.AskAsync("coupons", nowhere, default),
        ];
        var found = ReadinessCheck.Evaluate(asked, []).ToDictionary(about => about.Subject);
        Assert.Equal((Severity.Warning, "scheduler"), (found["sidecars"].Severity, found["sidecars"].What));
        Assert.StartsWith("orders: reached none, so /v1.0/healthz says 500; /v1.0/healthz/outbound says 204", found["sidecars"].Seen);
        Assert.Contains("/v1.0/healthz/outbound", found["sidecars"].Advice);
        Assert.Equal((Severity.Problem, "ready"), (found["stock sidecar"].Severity, found["stock sidecar"].What));
        Assert.Contains("--coupons-sidecar-http", found["coupons sidecar"].Advice);
        Assert.False(found.ContainsKey("payments sidecar"));
    }

    [Fact]
    public async Task A_sidecar_that_has_lost_its_scheduler_would_not_get_ready_again()
    {
        await using var well = await SidecarHttp.StartAsync(204, "", 204);
        SidecarHealth[] asked = [await ReadinessCheck.AskAsync("stock", well.Address, default)];
        var lost = Assert.Single(ReadinessCheck.Evaluate(asked, [said]));
        Assert.Equal((Severity.Warning, "scheduler"), (lost.Severity, lost.What));
        Assert.Contains("one that is started now does not get ready", lost.Seen);
        said.Scheduler = new() { ConnectedAddresses = { "localhost:50006" } };
        Assert.Equal(Severity.Ok, Assert.Single(ReadinessCheck.Evaluate(asked, [said])).Severity);
        said.Scheduler = null;
        said.RuntimeVersion = "1.14.4";
        Assert.Equal(Severity.Ok, Assert.Single(ReadinessCheck.Evaluate(asked, [said])).Severity);
    }

    [Fact]
    public void What_kind_of_store_and_broker_there_is_is_told_by_their_types()
    {
        StoreCheck Having(string state, string broker)
        {
            (said.RegisteredComponents[0].Type, said.RegisteredComponents[1].Type) = (state, broker);
            return StoreCheck.Evaluate([said, said]);
        }

        var redis = Having("state.redis", "pubsub.redis");
        Assert.Equal((false, true), (redis.IsEmbedded, redis.HasRedis));
        Assert.Empty(redis.NotLookedAt(1));
        Assert.Contains("--components", Assert.Single(redis.NotLookedAt(0)).Advice);

        var embedded = Having("state.in-memory", "pubsub.in-memory");
        Assert.Equal((true, false), (embedded.IsEmbedded, embedded.HasRedis));

        var others = Having("state.postgresql", "pubsub.rabbitmq");
        Assert.Equal((false, false), (others.IsEmbedded, others.HasRedis));
        Assert.Equal([("pubsub", "pubsub.rabbitmq"), ("statestore", "state.postgresql")], others.NotLookedAt(0).Select(about => (about.Subject, about.Observed.Split(':')[0])));
        Assert.All(others.NotLookedAt(0), about => Assert.Equal((Severity.Warning, "not looked at"), (about.Severity, about.Check)));

        var mixed = Having("state.redis", "pubsub.rabbitmq");
        Assert.Equal((false, true), (mixed.IsEmbedded, mixed.HasRedis));
        Assert.Equal("pubsub", Assert.Single(mixed.NotLookedAt(1)).Of);

        var silent = StoreCheck.Evaluate([]);
        Assert.Equal((false, true), (silent.IsEmbedded, silent.HasRedis));
        Assert.Empty(silent.NotLookedAt(0));
    }

    /// <summary>Spoils it, and expects this verdict with this advice.</summary>
    private void Finds(Severity verdict, string what, string advice, Action spoil, string seen = "")
    {
        spoil();
        var about = SidecarCheck.Evaluate(Stock, said, wants).Single(about => about.Severity != Severity.Ok);
        Assert.Equal((verdict, what), (about.Severity, about.Check));
        Assert.NotEmpty(about.Advice);
        Assert.Contains(advice, about.Advice);
        Assert.Contains(seen, about.Observed);
    }
}
