using System.Runtime.CompilerServices;

namespace Conformance;

/// <summary>Dapr's JavaScript SDK as an independent client over both protocols. The script checks the responses.</summary>
[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class JsSdkTests
{
    private readonly AddressedSidecar addressed;

    public JsSdkTests(AddressedSidecar addressed)
    {
        this.addressed = addressed;
        addressed.App.Reset();
    }

    [Theory]
    [InlineData("GRPC", "save_get_delete")]
    [InlineData("GRPC", "bulk_get")]
    [InlineData("GRPC", "etag")]
    [InlineData("GRPC", "publish_bulk_with_an_id_twice")]
    [InlineData("GRPC", "metadata")]
    [InlineData("HTTP", "publish_bulk_with_an_id_twice")]
    [InlineData("HTTP", "metadata")]
    public Task The_sdk_receives_the_expected_responses(string protocol, string sdkCase) => RunCaseAsync(protocol, sdkCase);

    [Theory]
    [InlineData("GRPC")]
    [InlineData("HTTP")]
    public async Task An_event_published_by_the_sdk_is_delivered(string protocol)
    {
        await RunCaseAsync(protocol, "publish");
        var got = (await addressed.App.NextAsync("plain")).Event;
        Assert.Equal(("""{"cups":2}""", AddressedSidecar.AppId), (got.Data.ToStringUtf8(), got.Source));
    }

    [Theory]
    [InlineData("GRPC")]
    [InlineData("HTTP")]
    public async Task Events_bulk_published_by_the_sdk_are_delivered(string protocol)
    {
        await RunCaseAsync(protocol, "publish_bulk");
        var got = new List<string>();
        for (var i = 0; i < 3; i++) got.Add((await addressed.App.NextAsync("plain")).Event.Data.ToStringUtf8());
        Assert.Equal(["""{"cups":1}""", """{"cups":2}""", """{"cups":3}"""], got.Order());
    }

    private async Task RunCaseAsync(string protocol, string sdkCase)
    {
        var address = protocol == "GRPC" ? new Uri(addressed.Sidecar.Address) : addressed.Sidecar.Http.BaseAddress!;
        await using var process = ChildProcess.Start("node", [Script(), protocol, address.Host, $"{address.Port}", sdkCase]);
        Assert.True(await process.ExitAsync() == 0, process.Output);
    }

    private static string Script([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(here, "../../node/dapr-client.mjs"));
}
