using System.Net;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Saga.Hosting;

/// <summary>Who may call: Auth:Mode and the like, as environment variables Auth__Mode.</summary>
internal sealed class AuthOptions
{
    private const string MustBeSet =
        "must be set, because this service can be reached from other machines: jwt, or none if every client that reaches it may call every method.";

    /// <summary>False: Auth:Mode is not set, so that the service may listen on this machine only.</summary>
    public bool IsChosen { get; private init; }

    /// <summary>False: callers are not authenticated, and every client may call every method.</summary>
    public bool IsJwt { get; private init; }

    /// <summary>The aud of a token. Empty: Auth:Mode is none.</summary>
    public string Audience { get; private init; } = "";

    /// <summary>The iss of a token. Null: that of the authority's discovery document.</summary>
    public string? Issuer { get; private init; }

    /// <summary>Where /.well-known/openid-configuration is. Null: the keys are in a file.</summary>
    public Uri? Authority { get; private init; }

    /// <summary>A JSON Web Key Set (RFC 7517). Null: the authority has the keys.</summary>
    public string? JwksFile { get; private init; }

    /// <summary>The claim with the user's id.</summary>
    public string UserClaim { get; private init; } = "";

    /// <summary>The claim whose values are roles; one of them can be <see cref="Commands.Role.Operator"/>.</summary>
    public string RoleClaim { get; private init; } = "";

    /// <summary>The token that the sidecar sends with its calls. Null: there is none.</summary>
    public string? AppToken { get; private init; }

    /// <param name="isReachable">The service listens on addresses of other machines too.</param>
    internal static AuthOptions Read(SettingReader settings, bool isReachable)
    {
        const string Mode = "Auth:Mode", AuthorityKey = "Auth:Authority", FileKey = "Auth:JwksFile";
        string[] onlyJwt = ["Issuer", "Audience", "Authority", "JwksFile", "UserClaim", "RoleClaim"];
        settings.OnlyKnown("Auth", ["Mode", .. onlyJwt]);
        var mode = settings.Choice(Mode, ["none", "jwt"]);
        var token = settings.Text("APP_API_TOKEN");
        if (mode != "jwt")
        {
            settings.Must(mode is not null || !isReachable, Mode, MustBeSet);
            foreach (var key in onlyJwt.Select(name => $"Auth:{name}"))
            {
                settings.Must(settings.Text(key) is null, key, "has no effect without Auth__Mode=jwt: set that too, or leave it out.");
            }
            return new() { IsChosen = mode is not null, AppToken = token };
        }

        var options = new AuthOptions
        {
            IsChosen = true,
            IsJwt = true,
            Audience = settings.Text("Auth:Audience") ?? "",
            Issuer = settings.Text("Auth:Issuer"),
            Authority = settings.Url(AuthorityKey, "https://login.example.com/realms/shop"),
            JwksFile = settings.Text(FileKey),
            UserClaim = settings.Text("Auth:UserClaim") ?? "sub",
            RoleClaim = settings.Text("Auth:RoleClaim") ?? "roles",
            AppToken = token,
        };
        settings.Must(options.Audience.Length > 0, "Auth:Audience", "must be set with Auth__Mode=jwt: the audience of the tokens, such as shop.");
        settings.Must(options.Authority is null || options.Authority.Scheme == Uri.UriSchemeHttps || options.Authority.IsLoopback, AuthorityKey,
            "must be https unless it is on this machine, such as https://login.example.com/realms/shop: over http an attacker on the network could replace the keys.");
        settings.Must((settings.Text(AuthorityKey) is null) != (options.JwksFile is null), AuthorityKey,
            "or Auth__JwksFile must be set with Auth__Mode=jwt, and not both: where the keys of the issuer are, such as https://login.example.com or keys/jwks.json.");
        settings.Must(options.JwksFile is null || options.Issuer is not null, "Auth:Issuer",
            "must be set with Auth__JwksFile: the iss of the tokens, such as https://login.example.com.");
        if (options.JwksFile is { } file && JwksFileKeys.FindProblem(file) is { } problem) settings.Must(false, FileKey, $"must be a JSON Web Key Set: {problem}");
        settings.Must(token is not null, "APP_API_TOKEN",
            "must be set with Auth__Mode=jwt, for this service and for its sidecar: the sidecar shows by it which app calls. ./run.sh sets it.");
        return options;
    }

    /// <summary>
    /// Refuses an endpoint that other machines can reach before it is bound. ASP.NET Core adds some of its own accord: those of Kestrel__Endpoints, and
    /// those of ASPNETCORE_URLS with ASPNETCORE_PREFERHOSTINGURLS.
    /// </summary>
    /// <exception cref="OptionsValidationException">It is one.</exception>
    internal static void RefuseReachable(ListenOptions endpoint)
    {
        if (endpoint.IPEndPoint is not { } reachable || IPAddress.IsLoopback(reachable.Address)) return;
        throw new OptionsValidationException("settings", typeof(AuthOptions), [$"Auth__Mode {MustBeSet} It would listen on {reachable}."]);
    }
}
