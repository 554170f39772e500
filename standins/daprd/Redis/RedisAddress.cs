using System.Globalization;
using Daprd.Files;

namespace Daprd.Redis;

/// <summary>Where a Redis is and how to introduce oneself there.</summary>
internal sealed record RedisAddress(string Host, int Port, string User, string Password, int Database, bool Tls, bool TrustAnyCertificate)
{
    public override string ToString() => $"{Host}:{Port.ToString(CultureInfo.InvariantCulture)}";

    public static RedisAddress Of(Component component)
    {
        if (component.Value("redisType") is "cluster" || component.Flag("failover"))
        {
            throw component.Place.Problem($"{component.Name} asks for a Redis cluster or Sentinel, which this stand-in does not have");
        }

        var given = component.Value("redisHost") is { Length: > 0 } text ? text
            : throw component.Place.Problem($"redisHost of {component.Name} is missing");
        var colon = given.LastIndexOf(':');
        var host = colon < 0 ? given : given[..colon];
        var port = component.Value("redisPort") is { Length: > 0 } separately ? separately : colon < 0 ? "6379" : given[(colon + 1)..];
        return new RedisAddress(
            host,
            int.TryParse(port, out var number) ? number : throw component.Place.Problem($"'{given}' of {component.Name} is not a host and a port"),
            component.Value("redisUsername"),
            component.Value("redisPassword"),
            component.Integer("redisDB", 0),
            component.Flag("enableTLS"),
            component.Flag("insecureSkipTLSVerify"));
    }
}
