using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Shop;

/// <summary>Issues tokens for a shop on a developer's machine, where there is no identity provider.</summary>
internal static class TokenCommand
{
    private const string Issuer = "shop-dev", Audience = "shop";

    public static Command Command()
    {
        var user = new Argument<string>("user") { Description = "The user's id; the sub of the token." };
        var isOperator = new Option<bool>("--operator") { Description = "With the role operator." };
        var validity = Durations.Option("--valid-for", TimeSpan.FromHours(1), TimeSpan.FromHours(24), "When the token expires.");
        var folder = new Option<string>("--folder")
        {
            Description = "Where the keys are; created when there are none. By default .data/dev-keys.",
            DefaultValueFactory = _ => Path.Combine(".data", "dev-keys"),
        };
        return new Command("dev-token", """
            Issue a token for a shop with Auth__Mode=jwt, and print it. For development only: every process that can read the key can issue tokens for any user.

              shop dev-token mina
              shop dev-token ops --operator
            """) { user, isOperator, validity, folder }.SetHandler(context =>
        {
            var keys = Path.GetFullPath(context.GetValue(folder));
            var jwks = Path.Combine(keys, "jwks.json");
            ECDsa key;
            try
            {
                key = OpenKey(keys, jwks);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
            {
                Terminal.WriteError($"The keys in {keys} cannot be read or created: {fault.Message} Give another --folder.");
                return Task.FromResult(ExitCode.Refused);
            }
            using var opened = key;
            Dictionary<string, object> claims = new() { ["sub"] = context.GetValue(user) };
            if (context.GetValue(isOperator)) claims["roles"] = "operator";
            var now = TimeProvider.System.GetUtcNow().UtcDateTime;
            var token = new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
            {
                Issuer = Issuer,
                Audience = Audience,
                Claims = claims,
                IssuedAt = now,
                NotBefore = now,
                Expires = now + (context.GetValue(validity) ?? TimeSpan.FromHours(1)),
                SigningCredentials = new(ToSecurityKey(key), SecurityAlgorithms.EcdsaSha256),
            });
            var settings = $"Auth__Mode=jwt Auth__Issuer={Issuer} Auth__Audience={Audience} Auth__JwksFile={jwks}";
            if (context.Json) Console.WriteLine(JsonSerializer.Serialize(new { token, issuer = Issuer, audience = Audience, jwksFile = jwks }));
            else Console.WriteLine(token);
            if (!context.Json && !Console.IsErrorRedirected) Console.Error.WriteLine($"For services that are started with: {settings}");
            return Task.FromResult(ExitCode.Done);
        });
    }

    private static ECDsa OpenKey(string folder, string jwks)
    {
        var file = Path.Combine(folder, "private-key.pem");
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        if (File.Exists(file))
        {
            key.ImportFromPem(File.ReadAllText(file));
        }
        else
        {
            Directory.CreateDirectory(folder);
            var create = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows()) create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using var pem = new StreamWriter(file, Encoding.ASCII, create);
            pem.Write(key.ExportPkcs8PrivateKeyPem());
        }
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        var published = JsonSerializer.Serialize(new
        {
            keys = new[]
            {
                new
                {
                    kty = "EC", crv = "P-256", use = "sig", alg = "ES256", kid = ToSecurityKey(key).KeyId, x = Base64UrlEncoder.Encode(point.X),
                    y = Base64UrlEncoder.Encode(point.Y),
                },
            },
        });
        // Services read it again when it changes, and must not meet half a file.
        if (!File.Exists(jwks) || File.ReadAllText(jwks) != published)
        {
            var next = $"{jwks}.{Environment.ProcessId}";
            File.WriteAllText(next, published);
            File.Move(next, jwks, overwrite: true);
        }
        return key;
    }

    private static ECDsaSecurityKey ToSecurityKey(ECDsa key)
    {
        var security = new ECDsaSecurityKey(key);
        // RFC 7638.
        security.KeyId = Base64UrlEncoder.Encode(security.ComputeJwkThumbprint());
        return security;
    }
}
