namespace Integration;

/// <summary>Tests that do not run in parallel with others, because they need the whole machine.</summary>
[CollectionDefinition(nameof(Sequential), DisableParallelization = true)]
public sealed class Sequential;
