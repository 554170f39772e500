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
        var given = component.Metadata.GetValueOrDefault("keyPrefix", "appid").ToLowerInvariant();
        prefix = given switch
        {
            "appid" => appId + Separator,
            "name" => component.Name + Separator,
            "none" => "",
            "namespace" => throw component.Source.Error("keyPrefix namespace is not in this stand-in for daprd"),
            // An empty keyPrefix is not the default: keys then start with the separator.
            _ => given + Separator,
        };
    }

    /// <summary>Returns the key with its prefix. Throws <see cref="ApiException"/> for a key that contains the separator.</summary>
    public string Full(string key) => key.Contains(Separator)
        ? throw new ApiException(StatusCode.InvalidArgument, 400, "ERR_MALFORMED_REQUEST", $"input key/keyPrefix '{key}' can't contain '{Separator}'")
        : prefix + key;
}
