namespace Integration;

/// <summary>Tests that need the whole machine, and that pass with any version of Dapr.</summary>
[CollectionDefinition(nameof(OnNewerDapr), DisableParallelization = true)]
public sealed class OnNewerDapr : ICollectionFixture<NewerDaprShop>;

/// <summary>The shop on sidecars that behave as Dapr 1.19.0, with API tokens, and with a state store that adds no app id to its keys and has a default time to live.</summary>
public sealed class NewerDaprShop : RunningShop
{
    /// <summary>What the sidecars demand, and what the services demand.</summary>
    public const string ApiToken = "token-of-the-sidecars", AppToken = "token-of-the-services";

    public NewerDaprShop()
    {
        Environment["DAPR_RUNTIME_VERSION"] = "1.19.0";
        Environment["DAPR_API_TOKEN"] = ApiToken;
        Environment["APP_API_TOKEN"] = AppToken;
        StoreMetadata["keyPrefix"] = "none";
        StoreMetadata["ttlInSeconds"] = "1";
    }
}
