using Daprd.Api;
using Daprd.Files;
using Grpc.Core;

namespace Daprd.State;

/// <summary>Adds the key prefix that separates apps in a shared store.</summary>
internal sealed class StateKeys
{
    private const string Separator = "||";
    private readonly string prefix;

    public StateKeys(Component component, string appId)
    {
        // An empty keyPrefix is not the default: keys then start with the separator.
        var given = component.Metadata.GetValueOrDefault("keyPrefix", "appid").ToLowerInvariant();
        if (given.Contains(Separator)) throw component.Source.Error($"keyPrefix of {component.Name} can't contain '{Separator}'");
        var space = Environment.GetEnvironmentVariable("NAMESPACE") ?? "";
        prefix = given switch
        {
            "appid" => appId + Separator,
            "name" => component.Name + Separator,
            "namespace" => space.Length == 0 ? appId + Separator : $"{space}.{appId}{Separator}",
            "none" => "",
            _ => given + Separator,
        };
    }

    /// <summary>Returns the key with its prefix. Throws <see cref="ApiException"/> for a key that contains the separator.</summary>
    public string Full(string key) => key.Contains(Separator)
        ? throw new ApiException(
            StatusCode.InvalidArgument, 400, "ERR_MALFORMED_REQUEST", $"input key/keyPrefix '{key}' can't contain '{Separator}'", "DAPR_STATE_ILLEGAL_KEY")
        : prefix + key;
}
