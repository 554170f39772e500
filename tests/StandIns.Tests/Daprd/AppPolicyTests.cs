using System.Diagnostics;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;

namespace StandIns.Daprd;

/// <summary>Resiliency policies of a caller for the apps it calls.</summary>
public sealed class AppPolicyTests : IAsyncLifetime
{
    private const string TwoFailuresOpen = "{circuitBreakers: {trips: {trip: consecutiveFailures >= 2, timeout: 600s}}}";

    private readonly string _id = Sidecar.FreshId("callee");
    private TestApp _app = null!;
    private Sidecar _callee = null!;
    private Sidecar? _caller;
    private int _calls;

    private Metadata ToCallee => new() { { "dapr-app-id", _id } };

    public async Task InitializeAsync()
    {
        _app = await TestApp.StartAsync();
        // Its own policies for itself are for nothing: they are the caller's affair.
        _callee = await StartAsync(_id, _app.Port, "{retries: {again: {duration: 1ms, maxRetries: 5}}}", "{retry: again}");
    }

    public async Task DisposeAsync()
    {
        if (_caller is not null) await _caller.DisposeAsync();
        await _callee.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task A_call_is_made_again_until_it_succeeds()
    {
        var echo = await CallerAsync("{retries: {again: {duration: 1ms, maxRetries: 5}}}", "{retry: again}");
        FailTimes(2, StatusCode.Unavailable);
        var call = echo.SayAsync(new EchoMessage { Text = "hello" }, [.. ToCallee, new("mark", "m")]);
        Assert.Equal(("hello", 3), ((await call).Text, _calls));
        Assert.Equal(("m", "m"), ((await call.ResponseHeadersAsync).GetValue("header-mark"), call.GetTrailers().GetValue("trailer-mark")));
    }

    [Theory]
    [InlineData(StatusCode.NotFound, 1)]
    [InlineData(StatusCode.Unavailable, 3)]
    public async Task A_call_is_made_again_only_after_the_codes_that_are_named_and_then_fails_as_the_app_did(StatusCode code, int attempts)
    {
        var echo = await CallerAsync("{retries: {again: {duration: 1ms, maxRetries: 2, matching: {gRPCStatusCodes: '14'}}}}", "{retry: again}");
        FailTimes(int.MaxValue, code);
        var failure = await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee));
        Assert.Equal((code, "as the test wants it", attempts), (failure.StatusCode, failure.Status.Detail, _calls));
        Assert.Equal("because", failure.Trailers.GetValue("why"));
    }

    [Fact]
    public async Task A_timeout_ends_the_call_in_the_app_too()
    {
        // Long enough for the call to reach the app on a busy machine.
        var echo = await CallerAsync("{timeouts: {soon: 2s}}", "{timeout: soon}");
        var ended = new TaskCompletionSource();
        _app.OnCall = async cancelled =>
        {
            cancelled.Register(ended.SetResult);
            await ended.Task;
        };
        var failure = await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee));
        Assert.Equal((StatusCode.DeadlineExceeded, "context deadline exceeded"), (failure.StatusCode, failure.Status.Detail));
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task An_open_breaker_refuses_the_method_that_failed_and_no_other()
    {
        var echo = await CallerAsync(TwoFailuresOpen, "{circuitBreaker: trips}");
        FailTimes(int.MaxValue, StatusCode.Internal);
        for (var i = 0; i < 2; i++) Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee))).StatusCode);
        var refused = await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee));
        Assert.Equal((StatusCode.Unknown, "circuit breaker is open", 2), (refused.StatusCode, refused.Status.Detail, _calls));
        using var count = echo.Count(new EchoMessage { Text = "1" }, ToCallee);
        Assert.True(await count.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task A_breaker_that_opens_ends_the_retries()
    {
        var echo = await CallerAsync("{retries: {again: {duration: 1ms}}, " + TwoFailuresOpen[1..], "{retry: again, circuitBreaker: trips}");
        FailTimes(int.MaxValue, StatusCode.Internal);
        var failure = await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee));
        Assert.Equal((StatusCode.Unknown, "circuit breaker is open", 2), (failure.StatusCode, failure.Status.Detail, _calls));
    }

    [Fact]
    public async Task A_breaker_closes_again_after_its_timeout_when_an_attempt_succeeds()
    {
        var echo = await CallerAsync("{circuitBreakers: {trips: {trip: 'requests >= 3 && totalFailures > 0', timeout: 500ms}}}", "{circuitBreaker: trips}");
        for (var i = 0; i < 2; i++) await echo.SayAsync(new EchoMessage(), ToCallee);
        FailTimes(1, StatusCode.Internal);
        var since = Stopwatch.StartNew();
        Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(echo.SayAsync(new EchoMessage(), ToCallee))).StatusCode);
        while (true)
        {
            try
            {
                await echo.SayAsync(new EchoMessage(), ToCallee);
                break;
            }
            catch (RpcException refused) when (refused.Status.Detail == "circuit breaker is open")
            {
                Assert.True(since.Elapsed < TimeSpan.FromSeconds(30));
            }
        }

        Assert.True(since.Elapsed >= TimeSpan.FromMilliseconds(500));
    }

    [Fact]
    public async Task Under_retries_a_stream_of_requests_must_say_that_it_is_one()
    {
        var echo = await CallerAsync("{retries: {again: {duration: 1ms}}}", "{retry: again}");
        var failure = await Failure.OfAsync(() => JoinAsync(echo, ToCallee));
        const string Refusal = "cannot use resiliency policies with retries on streaming RPCs";
        Assert.Equal((StatusCode.FailedPrecondition, Refusal), (failure.StatusCode, failure.Status.Detail));
        Assert.Equal("a+b", await JoinAsync(echo, new Metadata { { "dapr-app-id", _id }, { "dapr-stream", "true" } }));
        using var count = echo.Count(new EchoMessage { Text = "3" }, ToCallee);
        var answers = new List<string>();
        await foreach (var answer in count.ResponseStream.ReadAllAsync()) answers.Add(answer.Text);
        Assert.Equal(["1", "2", "3"], answers);
    }

    [Theory]
    [InlineData(4_200_000, 0)]
    [InlineData(0, 4_200_000)]
    public async Task A_message_that_is_longer_than_allowed_is_not_carried_under_policies_either(int sent, int answered)
    {
        var echo = await CallerAsync("{retries: {again: {duration: 1ms, maxRetries: 1}}}", "{retry: again}");
        var failure = await Failure.OfAsync(echo.SayAsync(new EchoMessage { Text = answered > 0 ? $"long {answered}" : new string('x', sent) }, ToCallee));
        Assert.Equal(StatusCode.ResourceExhausted, failure.StatusCode);
    }

    [Fact]
    public async Task Calls_of_ones_own_app_are_under_no_policy()
    {
        FailTimes(1, StatusCode.Unavailable);
        var failure = await Failure.OfAsync(new Echo.EchoClient(_callee.Channel).SayAsync(new EchoMessage(), ToCallee));
        Assert.Equal((StatusCode.Unavailable, 1), (failure.StatusCode, _calls));
    }

    [Fact]
    public async Task The_sidecars_own_rpc_is_under_the_callers_policies_and_once_only()
    {
        await CallerAsync("{retries: {again: {duration: 1ms, maxRetries: 2}}}", "{retry: again}");
        FailTimes(int.MaxValue, StatusCode.Unavailable);
        Assert.Equal(StatusCode.Unavailable, (await Failure.OfAsync(() => InvokeAsync(_caller!, _id))).StatusCode);
        Assert.Equal(3, _calls);
    }

    [Fact]
    public async Task The_sidecars_own_rpc_is_refused_by_an_open_breaker()
    {
        await CallerAsync(TwoFailuresOpen, "{circuitBreaker: trips}");
        FailTimes(int.MaxValue, StatusCode.Internal);
        for (var i = 0; i < 2; i++) Assert.Equal(StatusCode.Internal, (await Failure.OfAsync(() => InvokeAsync(_caller!, _id))).StatusCode);
        var refused = await Failure.OfAsync(() => InvokeAsync(_caller!, _id));
        Assert.Equal((StatusCode.Unknown, "circuit breaker is open", 2), (refused.StatusCode, refused.Status.Detail, _calls));
    }

    [StandInFact]
    public async Task Without_policies_the_sidecars_own_rpc_tries_a_sidecar_that_is_not_there_three_times_more()
    {
        await using var lonely = await Sidecar.StartAsync("lonely", "", 0, ["--peer", $"ghost=127.0.0.1:{FreePort.Take()}"]);
        var failure = await Failure.OfAsync(() => InvokeAsync(lonely, "ghost"));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Contains("failed to invoke target ghost after 3 retries", failure.Status.Detail);
    }

    [StandInTheory]
    [InlineData("requests % 2 == 0", "line 7, spec.policies.circuitBreakers.trips.trip: 'requests % 2 == 0' is not a comparison")]
    [InlineData("consecutiveFailures > 5 && !(requests < 3)", "'!(requests < 3)' is not a comparison")]
    [InlineData("failures > 5", "'failures > 5' is not a comparison")]
    public async Task A_trip_condition_that_is_not_understood_is_refused_at_the_start(string trip, string said)
    {
        var folder = Directory.CreateTempSubdirectory("daprd-");
        var policies = Yaml.Resiliency($"{{circuitBreakers: {{trips: {{trip: '{trip}'}}}}}}", "{}");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "policies.yaml"), policies);
        await using var sidecar = StandIn.Run(["--app-id", "app", "--resources-path", folder.FullName]);
        await sidecar.Ended.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Contains("policies.yaml", sidecar.Output);
        Assert.Contains(said, sidecar.Output);
        folder.Delete(recursive: true);
    }

    private static async Task<string> JoinAsync(Echo.EchoClient echo, Metadata headers)
    {
        using var call = echo.Join(headers);
        foreach (var text in (string[])["a", "b"])
        {
            try
            {
                await call.RequestStream.WriteAsync(new EchoMessage { Text = text });
            }
            catch (Exception ended) when (ended is RpcException or InvalidOperationException)
            {
                // The answer says why.
            }
        }

        if (call.ResponseAsync.IsFaulted) return (await call).Text;
        await call.RequestStream.CompleteAsync();
        return (await call).Text;
    }

    private static async Task InvokeAsync(Sidecar sidecar, string appId)
    {
#pragma warning disable CS0612 // Deprecated, and still served.
        await sidecar.Dapr.InvokeServiceAsync(new InvokeServiceRequest { Id = appId, Message = new InvokeRequest { Method = "greet" } });
#pragma warning restore CS0612
    }

    private void FailTimes(int times, StatusCode code)
    {
        _calls = 0;
        _app.OnCall = _ => ++_calls <= times
            ? throw new RpcException(new Status(code, "as the test wants it"), new Metadata { { "why", "because" } })
            : Task.CompletedTask;
    }

    private async Task<Echo.EchoClient> CallerAsync(string policies, string forCallee)
    {
        _caller = await StartAsync(Sidecar.FreshId("caller"), 0, policies, forCallee);
        return new Echo.EchoClient(_caller.Channel);
    }

    private Task<Sidecar> StartAsync(string appId, int appPort, string policies, string forCallee) =>
        Sidecar.StartAsync(appId, Yaml.Resiliency(policies, $"{{apps: {{{_id}: {forCallee}}}}}"), appPort);
}
