using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Net.Client;
using Shop;
using Shop.Doctor;

namespace Live.Typing;

/// <summary>What the doctor says of a sidecar, a Redis and files, whatever they may be like.</summary>
public sealed class DiagnosisTests : IDisposable
{
    private static readonly ReachedService Stock = new("Stock", "http://localhost:5002", GrpcChannel.ForAddress("http://localhost:5002"));

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
        Assert.All(SidecarExam.Of(Stock, said, wants), about => Assert.Equal((Verdict.Ok, ""), (about.Verdict, about.Advice)));

    [Fact]
    public void The_sidecar_of_another_service() => Finds(Verdict.Problem, "app id", "--stock-sidecar", () => said.Id = "orders", "'orders'");

    [Fact]
    public void A_sidecar_that_knows_no_app() => Finds(Verdict.Problem, "app", "--app-port 5002", () => said.AppConnectionProperties = null);

    [Fact]
    public void A_sidecar_that_delivers_elsewhere() => Finds(Verdict.Problem, "app", "appPort", () => said.AppConnectionProperties.Port = 7);

    [Fact]
    public void A_sidecar_that_does_not_look_whether_its_app_lives() =>
        Finds(Verdict.Warning, "app", "enableAppHealthCheck", () => said.AppConnectionProperties.Health = null);

    [Fact]
    public void No_state_store() =>
        Finds(Verdict.Problem, "statestore", "components/statestore.yaml", () => said.RegisteredComponents.RemoveAt(0));

    [Fact]
    public void A_state_store_without_ETags() =>
        Finds(Verdict.Problem, "statestore", "compare-and-set", () => said.RegisteredComponents[0].Capabilities.Remove("ETAG"));

    [Fact]
    public void A_broker_in_memory() =>
        Finds(Verdict.Warning, "pubsub", "--embedded", () => said.RegisteredComponents[1].Type = "pubsub.in-memory");

    [Fact]
    public void No_resiliency_policy() => Finds(Verdict.Problem, "resiliency", "components/resiliency.yaml", said.Resiliencies.Clear);

    [Theory]
    [InlineData("1.16.5")]
    [InlineData("edge")]
    public void A_sidecar_that_does_not_tell_its_policies(string version) =>
        Finds(Verdict.Warning, "resiliency", "1.18", () => {
        said.Resiliencies.Clear();
        said.RuntimeVersion = version;
    });

    [Fact]
    public void A_topic_that_is_not_subscribed() => Finds(
        Verdict.Problem, "subscriptions", "Start the sidecar again", () => wants.Add(new() { Topic = "order-failed" }), "order-failed");

    [Fact]
    public void A_topic_without_dead_letters() =>
        Finds(Verdict.Problem, "dead-letter topics", "", () => said.Subscriptions[0].DeadLetterTopic = "", "order-created");

    [Fact]
    public void Dead_letters_that_nobody_hears() =>
        Finds(Verdict.Problem, "dead-letter topics", "", () => {
        said.Subscriptions.RemoveAt(1);
        wants.RemoveAt(1);
    }, "stock-dead-letters");

    [Fact]
    public void A_service_that_does_not_say_what_it_wants()
    {
        var about = SidecarExam.Of(Stock, said, null).Single(about => about.What == "subscriptions");
        Assert.Equal(Verdict.Warning, about.Verdict);
    }

    [Fact]
    public void Sidecars_of_different_versions()
    {
        Assert.Null(SidecarExam.Versions([]));
        Assert.Equal(Verdict.Ok, SidecarExam.Versions([said, said])!.Verdict);
        Assert.Equal((Verdict.Warning, "Dapr 1.17.0, 1.18.3"),
            SidecarExam.Versions([said, new() { RuntimeVersion = "1.17.0" }]) is { } about ? (about.Verdict, about.Seen) : default);
    }

    [Fact]
    public void Services_of_different_builds()
    {
        const string Older = "1.0.0+48aeb9393951c16367732bf236233322b31f1335", Newer = "1.0.0+da26bd5c73a0c4b1e4d7ff3c2a8b95d1f0a6e7b2";
        Assert.Null(VersionExam.Of([]));
        Assert.Equal(Diagnosis.Ok("services", "version", "1.0.0+48aeb93939"), VersionExam.Of([("Orders", Older), ("Stock", Older)]));
        Assert.Equal((Verdict.Warning, "Orders, Payments: 1.0.0+48aeb93939; Stock: 1.0.0+da26bd5c73; Coupons: unknown"),
            VersionExam.Of([("Orders", Older), ("Stock", Newer), ("Payments", Older), ("Coupons", "")]) is { } about ? (about.Verdict, about.Seen) : default);
        Assert.Equal(Verdict.Warning, VersionExam.Of([("Orders", "")])!.Verdict);
    }

    [Theory]
    [InlineData("", "", "", nameof(Verdict.Ok), "version")]
    [InlineData("redis_version", "4.0.14", "", nameof(Verdict.Problem), "version")]
    [InlineData("", "", "", nameof(Verdict.Ok), "persistence")]
    [InlineData("aof_last_write_status", "err", "", nameof(Verdict.Problem), "persistence")]
    [InlineData("aof_enabled", "0", "", nameof(Verdict.Problem), "persistence")]
    [InlineData("aof_enabled", "0", "3600 1", nameof(Verdict.Warning), "persistence")]
    [InlineData("aof_enabled", "0", null, nameof(Verdict.Warning), "persistence")]
    [InlineData("role", "slave", "", nameof(Verdict.Problem), "role")]
    public void What_Redis_tells_of_itself(string name, string value, string? save, string verdict, string what)
    {
        if (name.Length > 0) info[name] = value;
        var about = RedisExam.Of("Redis", info, save).Single(about => about.What == what);
        Assert.Equal(verdict, $"{about.Verdict}");
        Assert.Equal(about.Verdict == Verdict.Ok, about.Advice.Length == 0);
    }

    [Theory]
    [InlineData("allkeys-lru", true)]
    [InlineData("noeviction", false)]
    public void A_Redis_that_forgets_when_it_is_full(string policy, bool forgets)
    {
        (info["maxmemory"], info["maxmemory_policy"]) = ("1000000", policy);
        Assert.Equal(forgets, RedisExam.Of("Redis", info, "").Any(about => about is { What: "memory", Verdict: Verdict.Problem }));
    }

    [Theory]
    [InlineData(2.9, nameof(Verdict.Ok))]
    [InlineData(-2.9, nameof(Verdict.Ok))]
    [InlineData(3.1, nameof(Verdict.Warning))]
    [InlineData(-90, nameof(Verdict.Warning))]
    public void A_clock_that_is_off(double seconds, string verdict) =>
        Assert.Equal(verdict, $"{ClockExam.Of("Stock", TimeSpan.FromSeconds(seconds)).Verdict}");

    [Fact]
    public void The_date_of_an_answer_tells_the_clock()
    {
        var now = new DateTime(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc);
        Assert.Equal(TimeSpan.FromSeconds(-60), ClockExam.Ahead("Sun, 01 Mar 2026 11:59:00 GMT", now));
        Assert.Null(ClockExam.Ahead(null, now));
    }

    [Fact]
    public void The_projects_own_files_name_one_Redis_and_try_deliveries_again()
    {
        var files = ComponentFiles.Read(Path.Combine(RunningShop.Root, "components"));
        Assert.Equal([new RedisPlace("localhost:6379", "", "", Tls: false)], files.Redis);
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

    /// <summary>Spoils it, and expects this verdict with this advice.</summary>
    private void Finds(Verdict verdict, string what, string advice, Action spoil, string seen = "")
    {
        spoil();
        var about = SidecarExam.Of(Stock, said, wants).Single(about => about.Verdict != Verdict.Ok);
        Assert.Equal((verdict, what), (about.Verdict, about.What));
        Assert.NotEmpty(about.Advice);
        Assert.Contains(advice, about.Advice);
        Assert.Contains(seen, about.Seen);
    }
}
