using System.Globalization;
using Daprd.Files;

namespace Daprd.Redis;

/// <summary>Address and credentials of a Redis server.</summary>
/// <param name="CommandTimeout">Maximum time for a reply, after which the connection counts as broken. May be infinite.</param>
internal sealed record RedisAddress(
    string Host, int Port, string User, string Password, int Database, bool Tls, bool TrustAnyCertificate, TimeSpan CommandTimeout)
{
    private static readonly TimeSpan DefaultCommandTimeout = TimeSpan.FromSeconds(3);

    public override string ToString() => $"{Host}:{Port.ToString(CultureInfo.InvariantCulture)}";

    public static RedisAddress Of(Component component)
    {
        if (component.Value("redisType") is "cluster" || component.Flag("failover"))
        {
            throw component.Source.Error($"{component.Name} asks for a Redis cluster or Sentinel, which this stand-in does not have");
        }

        var given = component.Value("redisHost") is { Length: > 0 } text ? text
            : throw component.Source.Error($"redisHost of {component.Name} is missing");
        var colon = given.LastIndexOf(':');
        var host = colon < 0 ? given : given[..colon];
        var port = component.Value("redisPort") is { Length: > 0 } separately ? separately : colon < 0 ? "6379" : given[(colon + 1)..];
        return new RedisAddress(
            host,
            int.TryParse(port, out var number) ? number : throw component.Source.Error($"'{given}' of {component.Name} is not a host and a port"),
            component.Value("redisUsername"),
            component.Value("redisPassword"),
            component.Integer("redisDB", 0),
            component.Flag("enableTLS"),
            component.Flag("insecureSkipTLSVerify"),
            component.Duration("readTimeout", TimeSpan.Zero) switch
            {
                { Ticks: < 0 } => Timeout.InfiniteTimeSpan,
                { Ticks: 0 } => DefaultCommandTimeout,
                var asked => asked,
            });
    }
}
