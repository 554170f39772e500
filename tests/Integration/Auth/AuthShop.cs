namespace Integration.Auth;

/// <summary>A shop with Auth:Mode jwt. Orders finds the keys by discovery, the others in a file.</summary>
public sealed class AuthShop : RunningShop
{
    public const string ApiToken = "token-of-the-sidecars", AppToken = "token-of-the-services";

    internal TestIssuer Issuer { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        Issuer = await TestIssuer.StartAsync();
        Environment["DAPR_API_TOKEN"] = ApiToken;
        Environment["APP_API_TOKEN"] = AppToken;
        Environment["Auth__Mode"] = "jwt";
        Environment["Auth__Audience"] = TestIssuer.Audience;
        EnvironmentByApp["orders"] = new() { ["Auth__Authority"] = Issuer.Address };
        foreach (var appId in (string[])["stock", "payments", "coupons"])
        {
            EnvironmentByApp[appId] = new() { ["Auth__Issuer"] = Issuer.Address, ["Auth__JwksFile"] = Issuer.JwksFile };
        }
        Token = Issuer.Issue("the-operator", isOperator: true);
        await base.InitializeAsync();
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await Issuer.DisposeAsync();
    }
}

[CollectionDefinition(nameof(OnAuth))]
public sealed class OnAuth : ICollectionFixture<AuthShop>;
