namespace Integration;

[CollectionDefinition(nameof(OnRedis))]
public sealed class OnRedis : ICollectionFixture<RunningShop>;
