namespace Integration;

/// <summary>Tests that need the whole machine, and that pass with any version of Dapr.</summary>
[CollectionDefinition(nameof(OnNewerDapr), DisableParallelization = true)]
public sealed class OnNewerDapr : ICollectionFixture<NewerDaprShop>;

/// <summary>The shop on sidecars that behave as Dapr 1.19.0, with a state store that adds no app id to its keys.</summary>
public sealed class NewerDaprShop : RunningShop
{
    public NewerDaprShop()
    {
        Environment["DAPR_RUNTIME_VERSION"] = "1.19.0";
        StoreMetadata["keyPrefix"] = "none";
    }
}
