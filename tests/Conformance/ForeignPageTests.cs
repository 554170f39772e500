using System.Net;

namespace Conformance;

/// <summary>A page in a browser cannot use the HTTP port of the stand-in. A real daprd takes such requests.</summary>
public sealed class ForeignPageTests : IAsyncLifetime
{
    private TestApp app = null!;
    private Sidecar sidecar = null!;

    public async Task InitializeAsync()
    {
        app = await TestApp.StartAsync(TestApp.Subscription("pubsub", "news"));
        sidecar = await Sidecar.StartAsync(Sidecar.FreshId("app"), Yaml.Component("pubsub", "pubsub.in-memory"), app.Port);
    }

    public async Task DisposeAsync()
    {
        await sidecar.DisposeAsync();
        await app.DisposeAsync();
    }

    [StandInTheory]
    [InlineData("Origin", "https://evil.example", "https://evil.example")]
    [InlineData("Origin", "null", "null")]
    [InlineData("Sec-Fetch-Site", "cross-site", "another site")]
    [InlineData("Sec-Fetch-Site", "same-site", "another site")]
    [InlineData("Host", "evil.example:3500", "is not this machine")]
    public async Task A_request_of_a_foreign_page_is_refused_and_publishes_nothing(string header, string value, string problem)
    {
        foreach (var method in (HttpMethod[])[HttpMethod.Post, HttpMethod.Put, HttpMethod.Get])
        {
            using var request = new HttpRequestMessage(method, "/v1.0/publish/pubsub/news") { Content = new StringContent("1") };
            request.Headers.Add(header, value);
            using var refused = await sidecar.Http.SendAsync(request);
            Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
            Assert.Contains(problem, await refused.Content.ReadAsStringAsync());
        }
        // The next event is the first that arrives.
        await sidecar.Dapr.PublishAsync("news", "2");
        Assert.Equal("2", (await app.NextAsync()).Event.Data.ToStringUtf8());
    }

    [StandInFact]
    public async Task A_request_of_the_same_origin_is_accepted()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/publish/pubsub/news") { Content = new StringContent("1") };
        request.Headers.Add("Origin", sidecar.Http.BaseAddress!.GetLeftPart(UriPartial.Authority));
        request.Headers.Add("Sec-Fetch-Site", "same-origin");
        using var same = await sidecar.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NoContent, same.StatusCode);
    }
}
