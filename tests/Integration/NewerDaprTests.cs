using Integration.Cli;

namespace Integration;

/// <summary>
/// Dapr 1.19 refuses a write with an ETag to a missing key, does not claim an event that is being handled, and limits retries to the processing
/// timeout.
/// </summary>
[Collection(nameof(OnNewerDapr))]
public sealed class NewerDaprTests(NewerDaprShop shop)
{
    [Fact]
    public async Task Orders_have_the_intended_outcome_and_the_audit_holds()
    {
        var load = await CliRun.AgainstAsync(shop, "load", "-n", "400", "--in-flight", "32", "--failing", "25", "--json");
        Assert.True(load.Exit == 0, $"{load}");
        var audit = await CliRun.AgainstAsync(shop, "audit", "--json");
        Assert.True(audit.Exit == 0, $"{audit}");
        // All services share the keys of the store.
        Assert.True(await shop.Redis.KeyExistsAsync("orders:open:instances"));
        Assert.True(await shop.Redis.KeyExistsAsync("stock:open:instances"));
        using var http = new HttpClient();
        Assert.Contains("1.19.0", await http.GetStringAsync($"{shop.AddressOf("3501")}/v1.0/metadata"));
    }
}
