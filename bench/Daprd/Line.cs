namespace Bench;

/// <param name="RedisOnly">The same without a sidecar; null where that means nothing.</param>
/// <param name="Bar">What must not be exceeded; null where there is none.</param>
internal sealed record Line(string What, double ViaSidecar, double? RedisOnly = null, double? Bar = null);
