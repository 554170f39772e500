namespace Bench;

/// <param name="RedisOnly">The same work without a sidecar; null: not applicable.</param>
/// <param name="Bar">The limit that must not be exceeded; null: none.</param>
internal sealed record Line(string What, double ViaSidecar, double? RedisOnly = null, double? Bar = null);
