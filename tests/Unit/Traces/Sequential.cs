namespace Saga.Tests;

/// <summary>Tests that read what every activity of the process tells run alone.</summary>
[CollectionDefinition(nameof(Sequential), DisableParallelization = true)]
public sealed class Sequential;
