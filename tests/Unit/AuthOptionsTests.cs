using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using Saga.Hosting;

namespace Saga.Tests;

/// <summary>Who may call is a setting: a half-configured service does not start.</summary>
public sealed class AuthOptionsTests : IDisposable
{
    private const string Keys = """{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}""";

    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    [Fact]
    public void Without_a_setting_callers_on_this_machine_are_not_authenticated() => Assert.False(Read(isReachable: false).IsJwt);

    [Theory]
    [InlineData("none", false)]
    [InlineData("NONE", true)]
    public void None_can_be_chosen(string mode, bool isReachable) => Assert.False(Read(isReachable, ("Auth:Mode", mode)).IsJwt);

    [Fact]
    public void A_service_that_other_machines_reach_must_have_a_mode_of_authentication() =>
        Assert.Contains("Auth__Mode must be set", Assert.Single(ProblemsOf(isReachable: true)));

    /// <summary>As Kubernetes mounts a secret: the file is a link through a link to a folder, and an update replaces the latter.</summary>
    [Fact]
    public void Keys_behind_a_link_are_read_again_when_it_leads_elsewhere()
    {
        var folder = Directory.CreateTempSubdirectory("keys-");
        string At(string path) => Path.Combine(folder.FullName, path);
        foreach (var (version, keys) in new[] { ("1", Keys), ("2", """{"keys":[]}""") })
        {
            folder.CreateSubdirectory(version);
            File.WriteAllText(At($"{version}/jwks.json"), keys);
            File.SetLastWriteTimeUtc(At($"{version}/jwks.json"), DateTime.UnixEpoch.AddDays(int.Parse(version)));
        }
        Directory.CreateSymbolicLink(At("data"), "1");
        File.CreateSymbolicLink(At("jwks.json"), "data/jwks.json");
        var read = new JwksFileKeys(At("jwks.json"));
        Assert.Single(read.Get());
        Directory.Delete(At("data"));
        Directory.CreateSymbolicLink(At("data"), "2");
        Assert.Empty(read.Get());
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Keys_in_a_file_and_an_authority_are_complete()
    {
        File.WriteAllText(file, Keys);
        var options = Read(false, ("Auth:Mode", "jwt"), ("Auth:Audience", "shop"), ("Auth:Issuer", "i"), ("Auth:JwksFile", file), ("APP_API_TOKEN", "t"));
        Assert.Equal((true, "shop", "i", file, "sub", "roles", "t"),
            (options.IsJwt, options.Audience, options.Issuer, options.JwksFile, options.UserClaim, options.RoleClaim, options.AppToken));
        options = Read(true, ("Auth:Mode", "jwt"), ("Auth:Audience", "shop"), ("Auth:Authority", "https://login.example.com"), ("APP_API_TOKEN", "t"));
        Assert.Equal(("https://login.example.com/", null, null), ($"{options.Authority}", options.Issuer, options.JwksFile));
    }

    [Theory]
    [InlineData("Auth__Mode", "Auth:Mode=basic")]
    [InlineData("Auth__Mode=jwt", "Auth:Audience=shop")]
    [InlineData("Auth__Mode=jwt", "Auth:Authority=https://login.example.com", "Auth:Mode=none")]
    [InlineData("Auth__Issuers", "Auth:Issuers=x")]
    [InlineData("Auth__Audience", "Auth:Mode=jwt", "Auth:Authority=https://login.example.com", "APP_API_TOKEN=t")]
    [InlineData("Auth__JwksFile", "Auth:Mode=jwt", "Auth:Audience=shop", "APP_API_TOKEN=t")]
    [InlineData("not both", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:Issuer=i", "Auth:JwksFile=FILE", "Auth:Authority=https://login.example.com", "APP_API_TOKEN=t")]
    [InlineData("Auth__Authority", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:Authority=login.example.com", "APP_API_TOKEN=t")]
    [InlineData("Auth__Authority must be https", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:Authority=http://login.example.com", "APP_API_TOKEN=t")]
    [InlineData("Auth__Issuer", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:JwksFile=FILE", "APP_API_TOKEN=t")]
    [InlineData("Auth__JwksFile", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:Issuer=i", "Auth:JwksFile=nowhere.json", "APP_API_TOKEN=t")]
    [InlineData("APP_API_TOKEN", "Auth:Mode=jwt", "Auth:Audience=shop", "Auth:Issuer=i", "Auth:JwksFile=FILE")]
    public void What_is_missing_or_wrong_is_named(string problem, params string[] settings)
    {
        File.WriteAllText(file, Keys);
        var problems = ProblemsOf(false, [.. settings.Select(setting => setting.Replace("FILE", file).Split('=', 2)).Select(pair => (pair[0], pair[1]))]);
        Assert.Contains(problem, Assert.Single(problems));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"keys":[]}""")]
    [InlineData("""{"keys":[{"kty":"EC","crv":"P-256"}]}""")]
    public void A_file_without_keys_is_refused(string content)
    {
        File.WriteAllText(file, content);
        var problem = Assert.Single(ProblemsOf(false,
            ("Auth:Mode", "jwt"), ("Auth:Audience", "shop"), ("Auth:Issuer", "i"), ("Auth:JwksFile", file), ("APP_API_TOKEN", "t")));
        Assert.StartsWith("Auth__JwksFile must be a JSON Web Key Set", problem);
        Assert.Contains(file, problem);
    }

    private static AuthOptions Read(bool isReachable, params (string Key, string Value)[] settings)
    {
        var reader = new SettingReader(new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value))).Build());
        var options = AuthOptions.Read(reader, isReachable);
        reader.ThrowIfInvalid();
        return options;
    }

    private static IEnumerable<string> ProblemsOf(bool isReachable, params (string Key, string Value)[] settings) =>
        Assert.Throws<OptionsValidationException>(() => Read(isReachable, settings)).Failures;
}
