using k8s.Models;

namespace Saga.Tests.Deploy;

/// <summary>How many pods there are.</summary>
public sealed class ScalingTests
{
    public static TheoryData<string> Overlays => Overlay.Names;

    [Theory]
    [MemberData(nameof(Overlays))]
    public void A_service_has_one_autoscaler_at_most_and_no_fixed_number_of_pods(string overlay)
    {
        var applied = Overlay.Get(overlay);
        Assert.All(applied.Apps.Values, app => Assert.Null(app.Spec.Replicas));
        var byKubernetes = applied.Of<V2HorizontalPodAutoscaler>().Select(one => one.Spec)
            .Select(spec => (spec.ScaleTargetRef.Name, spec.MinReplicas, (int?)spec.MaxReplicas));
        var byKeda = applied.Of<ScaledObject>().Select(one => one.Spec)
            .Select(spec => (spec.ScaleTargetRef.Name, spec.MinReplicaCount, spec.MaxReplicaCount));
        string[] scaled = overlay == "kind" ? [] : ["coupons", "orders", "payments", "stock"];
        Assert.Equal(scaled.Select(name => (name, (int?)2, (int?)10)), byKubernetes.Concat(byKeda).OrderBy(one => one.Name));
    }

    /// <summary>Dapr's consumer group of an app is its id, and the stream of a topic has its name.</summary>
    [Theory]
    [InlineData("production")]
    [InlineData("production with PostgreSQL")]
    public void The_lag_is_that_of_topics_that_an_app_subscribes_to(string overlay)
    {
        var applied = Overlay.Get(overlay);
        var pubsub = applied.Of<Component>().Single(one => one.Metadata.Name == "pubsub").Spec.Metadata.ToDictionary(setting => setting.Name);
        var topics = pubsub["subscriptionScopes"].Value!.Split(';').Select(scope => scope.Split('='))
            .ToDictionary(scope => scope[0], scope => scope[1].Split(','));
        foreach (var scaled in applied.Of<ScaledObject>())
        {
            var lags = scaled.Spec.Triggers.Where(trigger => trigger.Type == "redis-streams").ToArray();
            Assert.NotEmpty(lags);
            foreach (var (lag, auth) in lags.Select(trigger => (trigger.Metadata, trigger.AuthenticationRef!)))
            {
                string[] known = ["activationLagCount", "address", "consumerGroup", "enableTLS", "lagCount", "stream"];
                Assert.Equal(known, lag.Keys.Order(StringComparer.Ordinal));
                Assert.Equal(scaled.Spec.ScaleTargetRef.Name, lag["consumerGroup"]);
                Assert.Contains(lag["stream"], topics[lag["consumerGroup"]]);
                Assert.Equal((pubsub["redisHost"].Value, pubsub["enableTLS"].Value), (lag["address"], lag["enableTLS"]));
                Assert.Contains(applied.Of<TriggerAuthentication>(), one => one.Metadata.Name == auth.Name);
            }
            Assert.Equal("cpu", Assert.Single(scaled.Spec.Triggers.Except(lags)).Type);
        }
    }
}
