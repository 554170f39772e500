namespace Shop.Doctor;

/// <summary>Settings of a state store or a broker that lose orders, or what is left at a default that does.</summary>
internal static class ComponentHazards
{
    /// <summary>RabbitMQ's largest prefetch count.</summary>
    private const int PrefetchMax = 255;

    /// <summary>Connections that are enough for the subscriptions of Orders, those of a few more participants, and as many that have just ended.</summary>
    private const int PoolMin = 50;

    private static readonly string[] Truthy = ["1", "y", "yes", "t", "true", "on"];

    /// <param name="name">Of the component.</param>
    /// <param name="type">Of the component, such as pubsub.rabbitmq.</param>
    /// <param name="find">The value of a setting. Null: it is absent or empty.</param>
    public static IEnumerable<CheckResult> Find(string name, string type, Func<string, string?> find) => type switch
    {
        _ when type.StartsWith("state.", StringComparison.Ordinal) => OfStore(name, find),
        "pubsub.redis" => [.. OfConsumers(name, find), .. OfRedis(name, find)],
        "pubsub.rabbitmq" => [.. OfConsumers(name, find), .. OfRabbitMq(name, find)],
        "pubsub.kafka" => [.. OfConsumers(name, find), .. OfKafka(name, find)],
        _ when type.StartsWith("pubsub.", StringComparison.Ordinal) => OfConsumers(name, find),
        _ => [],
    };

    private static IEnumerable<CheckResult> OfStore(string name, Func<string, string?> find)
    {
        if (find("ttlInSeconds") is { } ttl && !ttl.StartsWith('-'))
        {
            yield return CheckResult.Warning(name, "ttlInSeconds",
                $"Documents expire after {ttl} s by default. The services override it with every write; other writers may not.",
                "Remove ttlInSeconds from the component.");
        }
    }

    private static IEnumerable<CheckResult> OfConsumers(string name, Func<string, string?> find)
    {
        // Kafka has both.
        foreach (var setting in (string[])["consumerID", "consumerGroup"])
        {
            if (find(setting) is not { } consumer) continue;
            if (!consumer.Contains("{appID}", StringComparison.OrdinalIgnoreCase))
            {
                yield return CheckResult.Problem(name, setting,
                    $"All services share the consumer group '{consumer}', so that each event reaches only one of them.",
                    $"Remove {setting} from the component, or make it {{appID}}.");
            }
            if (consumer.Contains("{uuid}", StringComparison.OrdinalIgnoreCase))
            {
                yield return CheckResult.Problem(name, setting,
                    "Every start has a new consumer group, so that events are lost that came while a service was down.",
                    $"Remove {setting} from the component, or make it {{appID}}.");
            }
        }
    }

    private static IEnumerable<CheckResult> OfRedis(string name, Func<string, string?> find)
    {
        if (!int.TryParse(find("poolSize"), out var pool) || pool < PoolMin)
        {
            yield return CheckResult.Warning(name, "poolSize",
                $"It is {find("poolSize") ?? "not set, and so 10 for each processor"}: every subscription keeps a connection, and with none left the sidecar neither "
                    + "publishes nor acknowledges.",
                "Set poolSize to \"200\", as in components/pubsub.yaml.");
        }
        foreach (var setting in (string[])["processingTimeout", "redeliverInterval"])
        {
            if (find(setting) is { } value && value.TrimEnd('m', 's', 'h') == "0")
            {
                yield return CheckResult.Problem(name, setting,
                    $"It is {value}: an event that a crashed service had read is never delivered again.",
                    $"Set {setting} in the component, as in components/pubsub.yaml.");
            }
        }
    }

    private static IEnumerable<CheckResult> OfRabbitMq(string name, Func<string, string?> find)
    {
        CheckResult Lost(string setting, string observed, string safe) =>
            CheckResult.Problem(name, setting, observed, $"Set {setting} to \"{safe}\", as in deploy/engines/rabbitmq-postgresql/pubsub.yaml.");

        if (IsTrue(find("deletedWhenUnused") ?? "true"))
        {
            yield return Lost("deletedWhenUnused",
                "A queue is deleted with its last consumer, with the events in it: whenever its service is unhealthy.", "false");
        }
        if (!IsTrue(find("durable"))) yield return Lost("durable", "Queues are gone when the broker restarts, with the events in them.", "true");
        if (find("deliveryMode") != "2") yield return Lost("deliveryMode", "Events are transient: they are gone when the broker restarts.", "2");
        if (!IsTrue(find("requeueInFailure")))
        {
            yield return Lost("requeueInFailure", "An event whose service goes away while it is delivered is dropped.", "true");
        }
        if (IsTrue(find("autoAck"))) yield return Lost("autoAck", "An event is acknowledged before it is handled: a crash loses it.", "false");
        if (!int.TryParse(find("prefetchCount"), out var prefetch) || prefetch is < 1 or > PrefetchMax)
        {
            yield return CheckResult.Warning(name, "prefetchCount",
                "A service gets all events of a queue at once, and a consumer that is left behind after a lost connection keeps all of them.",
                "Set prefetchCount to \"20\", as in deploy/engines/rabbitmq-postgresql/pubsub.yaml.");
        }
    }

    private static IEnumerable<CheckResult> OfKafka(string name, Func<string, string?> find)
    {
        const string Example = "as in deploy/engines/kafka-postgresql/pubsub.yaml";
        if (find("initialOffset") is not "oldest")
        {
            yield return CheckResult.Problem(name, "initialOffset",
                "A service that starts for the first time skips the events that were published before.",
                $"Set initialOffset to \"oldest\", {Example}.");
        }
        if (!IsTrue(find("consumeRetryEnabled") ?? "true"))
        {
            yield return CheckResult.Problem(name, "consumeRetryEnabled",
                "An event that could be neither handled nor moved to the dead-letter topic is skipped.",
                $"Set consumeRetryEnabled to \"true\", {Example}.");
        }
    }

    private static bool IsTrue(string? value) => Truthy.Contains(value?.ToLowerInvariant());
}
