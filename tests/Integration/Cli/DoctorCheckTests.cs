using System.Text.RegularExpressions;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Net.Client;
using Shop;
using Shop.Doctor;
using Shop.V1;

namespace Integration.Cli;

/// <summary>The checks of the doctor, each with its input given.</summary>
public sealed class DoctorCheckTests : IDisposable
{
    private static readonly ServiceEndpoint Stock = new("Stock", "http://localhost:5002", GrpcChannel.ForAddress("http://localhost:5002"));

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("components-");
    private readonly List<TopicSubscription> wanted =
    [
        new() { Topic = "order-created", DeadLetterTopic = "stock-dead-letters" },
        new() { Topic = "stock-dead-letters" },
    ];
    private readonly GetMetadataResponse metadata = new()
    {
        Id = "stock",
        RuntimeVersion = "1.18.3",
        AppConnectionProperties = new() { Port = 5002, Protocol = "grpc", Health = new() { HealthThreshold = 3 } },
        RegisteredComponents =
        {
            new RegisteredComponents { Name = "statestore", Type = "state.redis", Version = "v1", Capabilities = { "ETAG", "TRANSACTIONAL", "TTL" } },
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
    public void A_complete_sidecar_is_ok() =>
        Assert.All(SidecarCheck.Evaluate(Stock, metadata, wanted), about => Assert.Equal((Severity.Ok, ""), (about.Severity, about.Advice)));

    [Fact]
    public void The_sidecar_of_another_service() => AssertFinds(Severity.Problem, "app id", "--stock-sidecar", () => metadata.Id = "orders", "'orders'");

    [Fact]
    public void A_sidecar_without_an_app() => AssertFinds(Severity.Problem, "app", "--app-port 5002", () => metadata.AppConnectionProperties = null);

    [Fact]
    public void A_sidecar_that_delivers_to_another_port() => AssertFinds(Severity.Problem, "app", "appPort", () => metadata.AppConnectionProperties.Port = 7);

    [Fact]
    public void A_sidecar_without_app_health_checks() =>
        AssertFinds(Severity.Warning, "app", "enableAppHealthCheck", () => metadata.AppConnectionProperties.Health = null);

    [Fact]
    public void No_state_store() =>
        AssertFinds(Severity.Problem, "statestore", "components/statestore.yaml", () => metadata.RegisteredComponents.RemoveAt(0));

    [Fact]
    public void A_state_store_without_ETags() =>
        AssertFinds(Severity.Problem, "statestore", "compare-and-set", () => metadata.RegisteredComponents[0].Capabilities.Remove("ETAG"));

    [Fact]
    public void A_state_store_that_expires_nothing() =>
        AssertFinds(Severity.Warning, "statestore", "7 days", () => metadata.RegisteredComponents[0].Capabilities.Remove("TTL"), "stay for ever");

    [Fact]
    public void A_broker_in_memory() =>
        AssertFinds(Severity.Warning, "pubsub", "--embedded", () => metadata.RegisteredComponents[1].Type = "pubsub.in-memory");

    [Fact]
    public void No_resiliency_policy() => AssertFinds(Severity.Problem, "resiliency", "components/resiliency.yaml", metadata.Resiliencies.Clear);

    [Theory]
    [InlineData("1.16.5")]
    [InlineData("edge")]
    public void A_sidecar_that_does_not_report_its_policies(string version) =>
        AssertFinds(Severity.Warning, "resiliency", "1.18", () => {
        metadata.Resiliencies.Clear();
        metadata.RuntimeVersion = version;
    });

    [Fact]
    public void A_topic_that_is_not_subscribed() => AssertFinds(
        Severity.Problem, "subscriptions", "Then start the sidecar again", () => wanted.Add(new() { Topic = "order-failed" }), "order-failed");

    [Fact]
    public void A_topic_without_dead_letters() =>
        AssertFinds(Severity.Problem, "dead-letter topics", "", () => metadata.Subscriptions[0].DeadLetterTopic = "", "order-created");

    [Fact]
    public void Dead_letters_without_a_consumer() =>
        AssertFinds(Severity.Problem, "dead-letter topics", "", () => {
        metadata.Subscriptions.RemoveAt(1);
        wanted.RemoveAt(1);
    }, "stock-dead-letters");

    [Fact]
    public void A_service_with_unknown_subscriptions()
    {
        var about = SidecarCheck.Evaluate(Stock, metadata, null).Single(about => about.Check == "subscriptions");
        Assert.Equal(Severity.Warning, about.Severity);
    }

    [Theory]
    [InlineData("state.redis", "ttlInSeconds", "3600", "expire after 3600 s")]
    [InlineData("state.postgresql", "ttlInSeconds", "60", "expire after 60 s")]
    [InlineData("state.redis", "ttlInSeconds", "-1", null)]
    [InlineData("state.redis", "keyPrefix", "none", null)]
    [InlineData("state.redis", "keyPrefix", "name", null)]
    [InlineData("pubsub.redis", "consumerID", "shop", "consumer group 'shop'")]
    [InlineData("pubsub.redis", "consumerID", "{uuid}", "new consumer group")]
    [InlineData("pubsub.redis", "consumerID", "{appID}", null)]
    [InlineData("pubsub.redis", "consumerid", "{namespace}-shop", "consumer group '{namespace}-shop'")]
    [InlineData("pubsub.redis", "processingTimeout", "0", "never delivered again")]
    [InlineData("pubsub.redis", "redeliverInterval", "0s", "never delivered again")]
    [InlineData("pubsub.redis", "redeliverInterval", "15000", null)]
    [InlineData("pubsub.redis", "poolSize", "20", "every subscription keeps a connection")]
    [InlineData("pubsub.redis", "poolSize", "200", null)]
    [InlineData("pubsub.kafka", "consumerID", "shop", "consumer group 'shop'")]
    [InlineData("pubsub.kafka", "consumerGroup", "{namespace}", "consumer group '{namespace}'")]
    [InlineData("pubsub.kafka", "initialOffset", "newest", "skips the events")]
    [InlineData("pubsub.kafka", "consumeRetryEnabled", "False", "is skipped")]
    [InlineData("pubsub.rabbitmq", "consumerID", "shop", "consumer group 'shop'")]
    [InlineData("pubsub.rabbitmq", "autoAck", "true", "a crash loses it")]
    [InlineData("pubsub.rabbitmq", "deletedWhenUnused", "on", "whenever its service is unhealthy")]
    [InlineData("pubsub.rabbitmq", "durable", "no", "gone when the broker restarts, with the events in them")]
    [InlineData("pubsub.rabbitmq", "deliveryMode", "1", "transient")]
    [InlineData("pubsub.rabbitmq", "requeueInFailure", "false", "is dropped")]
    [InlineData("pubsub.rabbitmq", "prefetchCount", "0", "keeps all of them")]
    [InlineData("pubsub.rabbitmq", "prefetchCount", "300", "keeps all of them")]
    public void Settings_of_a_component_that_lose_orders(string type, string setting, string value, string? observed)
    {
        File.WriteAllText(Path.Combine(folder.FullName, "component.yaml"), $$"""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata:
              name: some
            spec:
              type: {{type}}
              version: v1
              metadata:
                - name: {{setting}}
                  value: "{{value}}"
            """);
        var found = ComponentFiles.Read(folder.FullName).FindHazards().ToArray();
        if (observed is null) Assert.DoesNotContain(found, result => result.Check == setting);
        else Assert.Contains(found, result => result.Observed.Contains(observed, StringComparison.Ordinal) && result.Subject == "some" && result.Advice.Length > 0);
    }

    /// <summary>The folders of component files of the repository.</summary>
    public static TheoryData<string> Folders => ["components", .. Directory.EnumerateDirectories(Path.Combine(RunningShop.Root, "deploy/engines"))
        .Select(folder => $"deploy/engines/{Path.GetFileName(folder)}").Order(StringComparer.Ordinal)];

    [Theory, MemberData(nameof(Folders))]
    public void The_components_of_this_repository_lose_nothing(string components)
    {
        var files = ComponentFiles.Read(Path.Combine(RunningShop.Root, components));
        Assert.Empty(files.FindHazards());
        Assert.True(files.RetriesDeliveries);
    }

    /// <summary>The settings of deploy/engines that may not be left at their defaults.</summary>
    [Theory]
    [InlineData("rabbitmq-postgresql", "deletedWhenUnused", nameof(Severity.Problem))]
    [InlineData("rabbitmq-postgresql", "durable", nameof(Severity.Problem))]
    [InlineData("rabbitmq-postgresql", "deliveryMode", nameof(Severity.Problem))]
    [InlineData("rabbitmq-postgresql", "requeueInFailure", nameof(Severity.Problem))]
    [InlineData("rabbitmq-redis", "prefetchCount", nameof(Severity.Warning))]
    [InlineData("kafka-postgresql", "initialOffset", nameof(Severity.Problem))]
    public void A_default_that_loses_orders(string engine, string setting, string severity)
    {
        var whole = File.ReadAllText(Path.Combine(RunningShop.Root, $"deploy/engines/{engine}/pubsub.yaml"));
        var without = Regex.Replace(whole, $@"    - name: {setting}\n      value: .*\n", "");
        Assert.NotEqual(whole, without);
        File.WriteAllText(Path.Combine(folder.FullName, "pubsub.yaml"), without);
        var found = Assert.Single(ComponentFiles.Read(folder.FullName).FindHazards());
        Assert.Equal((setting, severity), (found.Check, $"{found.Severity}"));
        Assert.Contains(setting, found.Advice);
    }

    [Fact]
    public void Sidecars_of_different_versions()
    {
        Assert.Null(SidecarCheck.EvaluateVersions([]));
        Assert.Equal(Severity.Ok, SidecarCheck.EvaluateVersions([metadata, metadata])!.Severity);
        Assert.Equal((Severity.Warning, "Dapr 1.17.0, 1.18.3"),
            SidecarCheck.EvaluateVersions([metadata, new() { RuntimeVersion = "1.17.0" }]) is { } about ? (about.Severity, about.Observed) : default);
    }

    [Fact]
    public void Services_of_different_builds()
    {
        const string Older = "1.0.0+48aeb9393951c16367732bf236233322b31f1335", Newer = "1.0.0+da26bd5c73a0c4b1e4d7ff3c2a8b95d1f0a6e7b2";
        Assert.Null(VersionCheck.Evaluate([]));
        Assert.Equal(CheckResult.Ok("services", "version", "1.0.0+48aeb93939"), VersionCheck.Evaluate([("Orders", Older), ("Stock", Older)]));
        Assert.Equal((Severity.Warning, "Orders, Payments: 1.0.0+48aeb93939; Stock: 1.0.0+da26bd5c73; Coupons: unknown"),
            VersionCheck.Evaluate([("Orders", Older), ("Stock", Newer), ("Payments", Older), ("Coupons", "")]) is { } about
                ? (about.Severity, about.Observed) : default);
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
    public void The_configuration_of_Redis(string name, string value, string? save, string severity, string what)
    {
        if (name.Length > 0) info[name] = value;
        var about = RedisCheck.Evaluate("Redis", info, save).Single(about => about.Check == what);
        Assert.Equal(severity, $"{about.Severity}");
        Assert.Equal(about.Severity == Severity.Ok, about.Advice.Length == 0);
    }

    [Theory, InlineData("localhost:"), InlineData("redis:${PORT}"), InlineData("")]
    public async Task An_address_of_Redis_that_is_none_is_a_problem(string address)
    {
        var result = Assert.Single(await RedisCheck.RunAsync(new(address, "", "", false)));
        Assert.Equal((Severity.Problem, "reach"), (result.Severity, result.Check));
    }

    [Theory, InlineData(""), InlineData("wrong")]
    public async Task A_Redis_that_asks_for_another_password_is_a_warning(string password)
    {
        await using var redis = await RedisServer.StartAsync();
        await redis.Database.ExecuteAsync("CONFIG", "SET", "requirepass", "secret");
        var result = Assert.Single(await RedisCheck.RunAsync(new(redis.Address, "", password, false)));
        Assert.Equal((Severity.Warning, "reach"), (result.Severity, result.Check));
        Assert.Contains("password", result.Observed + result.Advice);
    }

    [Theory]
    [InlineData("allkeys-lru", true)]
    [InlineData("noeviction", false)]
    public void A_Redis_that_evicts_keys(string policy, bool forgets)
    {
        (info["maxmemory"], info["maxmemory_policy"]) = ("1000000", policy);
        Assert.Equal(forgets, RedisCheck.Evaluate("Redis", info, "").Any(about => about is { Check: "memory", Severity: Severity.Problem }));
    }

    [Theory]
    [InlineData(2.9, nameof(Severity.Ok))]
    [InlineData(-2.9, nameof(Severity.Ok))]
    [InlineData(3.1, nameof(Severity.Warning))]
    [InlineData(-90, nameof(Severity.Warning))]
    public void A_clock_that_is_off(double seconds, string severity) =>
        Assert.Equal(severity, $"{ClockCheck.Evaluate("Stock", TimeSpan.FromSeconds(seconds)).Severity}");

    [Fact]
    public void The_clock_offset_is_read_from_the_date_of_an_answer()
    {
        var now = new DateTime(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc);
        Assert.Equal(TimeSpan.FromSeconds(-60), ClockCheck.GetOffset("Sun, 01 Mar 2026 11:59:00 GMT", now));
        Assert.Null(ClockCheck.GetOffset(null, now));
    }

    [Fact]
    public void The_files_of_the_project_name_one_Redis_and_retry_deliveries()
    {
        var files = ComponentFiles.Read(Path.Combine(RunningShop.Root, "components"));
        Assert.Equal([new RedisEndpoint("localhost:6379", "", "", Tls: false)], files.Redis);
        Assert.True(files.RetriesDeliveries);
    }

    [Fact]
    public void Files_without_a_retry_policy_for_the_broker()
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
    public void A_sweep_that_fails_or_is_late(double age, int failures, string severity)
    {
        var about = Assert.Single(SweepCheck.Evaluate("Stock", $$"""
            # TYPE saga_sweep_failures_total counter
            saga_sweep_failures_total{otel_scope_name="DaprSaga",sweep="product"} {{failures}} 1764170000000
            # TYPE saga_sweep_last_success_age_seconds gauge
            saga_sweep_last_success_age_seconds{otel_scope_name="DaprSaga",sweep="product"} {{age}} 1764170000000
            """));
        Assert.Equal(severity, $"{about.Severity}");
        Assert.Equal("sweeps", about.Check);
        Assert.Contains($"product that succeeded ended {age} s ago; {failures} have failed", about.Observed);
    }

    [Fact]
    public void A_service_without_metrics_of_sweeps() =>
        Assert.Equal(Severity.Warning, Assert.Single(SweepCheck.Evaluate("Stock", "saga_orders_open 1")).Severity);

    [Fact]
    public void Dead_events_are_a_warning_and_dead_reservations_a_problem()
    {
        Assert.Equal(CheckResult.Ok("Stock", "dead letters", "none waits"), Assert.Single(DeadLettersCheck.Evaluate("Stock", new())));
        ListDeadLettersResponse listed = new() { More = 4 };
        for (var at = 0; at < 3; at++) listed.DeadLetters.Add(new DeadLetter { Topic = "order-failed", DeadLetteredTime = Timestamp.FromDateTime(DateTime.UnixEpoch) });
        listed.DeadLetters.Add(new DeadLetter { Topic = "reservations", OrderId = "o-1", DeadLetterId = "0123", Problem = "Product p is gone." });
        var found = DeadLettersCheck.Evaluate("Stock", listed).ToArray();
        Assert.Equal(Severity.Warning, found[0].Severity);
        Assert.Equal("7 wait, the oldest since 1970-01-01 00:00:00Z", found[0].Observed);
        Assert.Contains("./shop dead-letters list", found[0].Advice);
        Assert.Equal(Severity.Problem, found[1].Severity);
        Assert.Equal("reservations", found[1].Check);
        Assert.Contains("order o-1: Product p is gone", found[1].Observed);
        Assert.Contains("./shop dead-letters show 0123", found[1].Advice);
    }

    [Fact]
    public async Task A_missing_scheduler_is_a_warning_and_a_sidecar_without_outbound_a_problem()
    {
        await using var without = await SidecarHttp.StartAsync(
            500, """{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [scheduler-watch-hosts]"}""", 204);
        await using var broken = await SidecarHttp.StartAsync(
            500, """{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: [grpc-api-server]"}""", 500);
        await using var ready = await SidecarHttp.StartAsync(204, "", 204);
        var nowhere = $"http://localhost:{FreePort.Take()}";
        SidecarHealth[] sidecars =
        [
            await ReadinessCheck.ReadAsync("orders", without.Address, default), await ReadinessCheck.ReadAsync("stock", broken.Address, default),
            await ReadinessCheck.ReadAsync("payments", ready.Address, default), await ReadinessCheck.ReadAsync("coupons", nowhere, default),
        ];
        var found = ReadinessCheck.Evaluate(sidecars, []).ToDictionary(about => about.Subject);
        Assert.Equal(Severity.Warning, found["sidecars"].Severity);
        Assert.Equal("scheduler", found["sidecars"].Check);
        Assert.StartsWith("orders: reached none, so /v1.0/healthz says 500; /v1.0/healthz/outbound says 204", found["sidecars"].Observed);
        Assert.Contains("/v1.0/healthz/outbound", found["sidecars"].Advice);
        Assert.Equal(Severity.Problem, found["stock sidecar"].Severity);
        Assert.Equal("ready", found["stock sidecar"].Check);
        Assert.Contains("--coupons-sidecar-http", found["coupons sidecar"].Advice);
        Assert.False(found.ContainsKey("payments sidecar"));
    }

    [Fact]
    public async Task Another_program_with_an_unknown_charset_is_read_all_the_same()
    {
        await using var other = await SidecarHttp.StartAsync(200, "{}", 204, "text/html; charset=utf8");
        Assert.Equal("{}", (await ReadinessCheck.ReadAsync("orders", other.Address, default)).Body);
    }

    [Fact]
    public async Task A_ready_sidecar_without_a_scheduler_would_not_become_ready_after_a_restart()
    {
        await using var ready = await SidecarHttp.StartAsync(204, "", 204);
        SidecarHealth[] sidecars = [await ReadinessCheck.ReadAsync("stock", ready.Address, default)];
        var lost = Assert.Single(ReadinessCheck.Evaluate(sidecars, [metadata]));
        Assert.Equal(Severity.Warning, lost.Severity);
        Assert.Equal("scheduler", lost.Check);
        Assert.Contains("one that is started now does not become ready", lost.Observed);
        metadata.Scheduler = new() { ConnectedAddresses = { "localhost:50006" } };
        Assert.Equal(Severity.Ok, Assert.Single(ReadinessCheck.Evaluate(sidecars, [metadata])).Severity);
        metadata.Scheduler = null;
        metadata.RuntimeVersion = "1.14.4";
        Assert.Equal(Severity.Ok, Assert.Single(ReadinessCheck.Evaluate(sidecars, [metadata])).Severity);
    }

    [Fact]
    public void Store_and_broker_are_recognized_by_component_type()
    {
        StoreCheck CreateCheck(string state, string broker)
        {
            (metadata.RegisteredComponents[0].Type, metadata.RegisteredComponents[1].Type) = (state, broker);
            return StoreCheck.Create([metadata, metadata]);
        }

        var redis = CreateCheck("state.redis", "pubsub.redis");
        Assert.False(redis.IsEmbedded);
        Assert.True(redis.HasRedis);
        Assert.Empty(redis.Describe(1));
        Assert.Contains("--components", Assert.Single(redis.Describe(0)).Advice);

        var embedded = CreateCheck("state.in-memory", "pubsub.in-memory");
        Assert.True(embedded.IsEmbedded);
        Assert.False(embedded.HasRedis);

        var others = CreateCheck("state.postgresql", "pubsub.rabbitmq");
        Assert.False(others.IsEmbedded);
        Assert.False(others.HasRedis);
        Assert.Equal(
            [("pubsub", "pubsub.rabbitmq"), ("statestore", "state.postgresql")],
            others.Describe(0).Select(about => (about.Subject, about.Observed.Split(',')[0])));
        Assert.All(others.Describe(0), about => Assert.Equal(Severity.Ok, about.Severity));

        var mixed = CreateCheck("state.redis", "pubsub.rabbitmq");
        Assert.False(mixed.IsEmbedded);
        Assert.True(mixed.HasRedis);
        Assert.Equal("pubsub", Assert.Single(mixed.Describe(1)).Subject);

        var unknown = StoreCheck.Create([]);
        Assert.False(unknown.IsEmbedded);
        Assert.True(unknown.HasRedis);
        Assert.Empty(unknown.Describe(0));
    }

    [Theory]
    [InlineData(Flaw.None, nameof(Severity.Ok), "written, read, compared and deleted")]
    [InlineData(Flaw.RefusesNew, nameof(Severity.Problem), "refuses a new document")]
    [InlineData(Flaw.CreatesTwice, nameof(Severity.Problem), "lets two writers create")]
    [InlineData(Flaw.NoETag, nameof(Severity.Problem), "returns no ETag")]
    [InlineData(Flaw.RefusesCurrent, nameof(Severity.Problem), "refuses a write with the current ETag")]
    [InlineData(Flaw.AcceptsOld, nameof(Severity.Problem), "accepts a write with an old ETag")]
    [InlineData(Flaw.Down, nameof(Severity.Problem), "does not answer: INTERNAL: no connection")]
    public async Task A_store_is_tried_with_a_document_that_is_deleted_and_would_expire(Flaw flaw, string severity, string observed)
    {
        var store = new FakeStore(flaw);
        var result = await new StoreProbe(store, [], "stock", default).RunAsync("stock sidecar");
        Assert.Equal((severity, "stock sidecar"), ($"{result.Severity}", result.Subject));
        Assert.Contains(observed, result.Observed);
        Assert.Equal(result.Severity == Severity.Ok, result.Advice.Length == 0);
        if (flaw == Flaw.None) Assert.Empty(store.Documents);
        Assert.All(store.Keys, key => Assert.StartsWith("stock:probe:doctor:", key));
        Assert.All(store.TimesToLive, seconds => Assert.Equal("60", seconds));
    }

    [Fact]
    public void A_service_that_is_not_ready_says_why()
    {
        var found = ServiceCheck.CheckHealth(
            Stock, Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.NotServing, TimeSpan.FromMilliseconds(3),
            "Unhealthy\nThe state store refuses a new document.");
        Assert.Equal(Severity.Problem, found.Severity);
        Assert.Equal("http://localhost:5002 answers, but is NotServing. The state store refuses a new document.", found.Observed);
    }

    [Fact]
    public void Participants_that_were_added_are_the_apps_of_the_run_file_with_all_ports_that_the_shop_does_not_know()
    {
        var file = Path.Combine(folder.FullName, "dapr.yaml");
        File.Copy(Path.Combine(RunningShop.Root, "dapr.yaml"), file);
        Assert.Empty(AddedParticipants.Find(file));
        File.AppendAllText(file, """
              - { appID: delivery, appPort: 5006, daprGRPCPort: 50006, daprHTTPPort: 3506 }
              - { appID: delivery, appPort: 1, daprGRPCPort: 2, daprHTTPPort: 3 }
              - { appID: page, appProtocol: http, appPort: 4, daprGRPCPort: 5, daprHTTPPort: 6 }
              - { appID: worker, daprGRPCPort: 7, daprHTTPPort: 8 }
              - { appID: --json, appPort: 9, daprGRPCPort: 10, daprHTTPPort: 11 }
              - { appID: timeout, appPort: 12, daprGRPCPort: 13, daprHTTPPort: 14 }

            """);
        Assert.Equal([new("delivery", 5006, 50006, 3506)], AddedParticipants.Find(file));
        Assert.Equal("Delivery", AddedParticipants.Find(file)[0].Name);

        File.WriteAllText(file, "apps: [");
        Assert.Empty(AddedParticipants.Find(file));
        Assert.Empty(AddedParticipants.Find(Path.Combine(folder.FullName, "none.yaml")));
    }

    [Fact]
    public void A_topic_that_the_scopes_do_not_allow() =>
        AssertFinds(Severity.Problem, "subscriptions", "subscriptionScopes", () => wanted.Add(new() { Topic = "delivery-failed", DeadLetterTopic = "stock-dead-letters" }), "delivery-failed");

    /// <summary>Changes the input, and expects one result with this severity and advice.</summary>
    private void AssertFinds(Severity severity, string what, string advice, Action corrupt, string seen = "")
    {
        corrupt();
        var about = SidecarCheck.Evaluate(Stock, metadata, wanted).Single(about => about.Severity != Severity.Ok);
        Assert.Equal(severity, about.Severity);
        Assert.Equal(what, about.Check);
        Assert.NotEmpty(about.Advice);
        Assert.Contains(advice, about.Advice);
        Assert.Contains(seen, about.Observed);
    }
}
