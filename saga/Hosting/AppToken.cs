using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Saga.Hosting;

/// <summary>APP_API_TOKEN, which the sidecar sends with each call to its app.</summary>
internal sealed class AppToken(AuthOptions options)
{
    public const string Header = "dapr-api-token";

    /// <summary>The app that calls through its sidecar. daprd adds it to a call from one app to another, and to nothing else.</summary>
    public const string CallerHeader = "dapr-caller-app-id";

    private readonly byte[]? token = options.AppToken is { } text ? Encoding.UTF8.GetBytes(text) : null;

    /// <summary>False: any caller counts as the sidecar.</summary>
    public bool IsSet => token is not null;

    /// <summary>One of the values is the token: a sidecar may pass on the caller's own before it.</summary>
    public bool IsSentWith(HttpRequest request) => token is not null
        && request.Headers[Header].Any(value => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(value ?? ""), token));
}
