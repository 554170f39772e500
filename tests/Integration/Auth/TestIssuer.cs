using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Integration.Auth;

/// <summary>An identity provider: issues tokens, and publishes its keys in a file and by OIDC discovery.</summary>
internal sealed class TestIssuer : IAsyncDisposable
{
    public const string Audience = "shop";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("issuer-");
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly WebApplication app;

    private TestIssuer(int port)
    {
        Address = $"http://localhost:{port}";
        File.WriteAllText(JwksFile, Jwks);
        app = WebApplication.CreateSlimBuilder().Build();
        app.Urls.Add(Address);
        app.MapGet("/.well-known/openid-configuration", () => Results.Text($$"""{"issuer":"{{Address}}","jwks_uri":"{{Address}}/keys"}""", "application/json"));
        app.MapGet("/keys", () => Results.Text(Jwks, "application/json"));
    }

    /// <summary>Its issuer (iss) and authority.</summary>
    public string Address { get; }

    public string JwksFile => Path.Combine(folder.FullName, "jwks.json");

    private string Jwks
    {
        get
        {
            var point = key.ExportParameters(includePrivateParameters: false).Q;
            return $$"""{"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"1","x":"{{Base64UrlEncoder.Encode(point.X)}}","y":"{{Base64UrlEncoder.Encode(point.Y)}}"}]}""";
        }
    }

    public static async Task<TestIssuer> StartAsync()
    {
        var issuer = new TestIssuer(FreePort.Take());
        await issuer.app.StartAsync();
        return issuer;
    }

    /// <param name="change">Makes another token of it.</param>
    public string Issue(string user, bool isOperator = false, Action<SecurityTokenDescriptor>? change = null)
    {
        var now = DateTime.UtcNow;
        var token = new SecurityTokenDescriptor
        {
            Issuer = Address,
            Audience = Audience,
            Claims = new Dictionary<string, object> { ["sub"] = user, ["roles"] = isOperator ? new[] { "operator" } : ["customer"] },
            IssuedAt = now,
            NotBefore = now,
            Expires = now.AddHours(1),
            SigningCredentials = CredentialsOf(key),
        };
        change?.Invoke(token);
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(token);
    }

    public static SigningCredentials CredentialsOf(ECDsa key) => new(new ECDsaSecurityKey(key) { KeyId = "1" }, SecurityAlgorithms.EcdsaSha256);

    /// <summary>A token whose signature is made with the public key as if it were a shared secret.</summary>
    public SigningCredentials HmacOfThePublicKey() => new(
        new SymmetricSecurityKey(key.ExportSubjectPublicKeyInfo()) { KeyId = "1" }, SecurityAlgorithms.HmacSha256);

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        key.Dispose();
        folder.Delete(recursive: true);
    }
}
