using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class CallsThatFail
{
    [Theory]
    [InlineData("plain")]
    [InlineData("\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n")]
    [InlineData("100 % sure, %41 is not A")]
    [InlineData("")]
    public async Task A_status_arrives_with_its_message_letter_by_letter(string message)
    {
        await using var server = await TestServer.StartAsync();

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.UnaryAsync(new Ask { Status = 2, StatusMessage = message }));

        Assert.Equal(StatusCode.Unknown, e.StatusCode);
        Assert.Equal(message, e.Status.Detail);
    }

    [Theory]
    [MemberData(nameof(EveryFailure))]
    public async Task Every_status_code_arrives_as_itself(StatusCode code)
    {
        await using var server = await TestServer.StartAsync();

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.UnaryAsync(new Ask { Status = (int)code }));

        Assert.Equal(code, e.StatusCode);
    }

    public static TheoryData<StatusCode> EveryFailure() => [.. Enum.GetValues<StatusCode>().Where(code => code != StatusCode.OK)];

    [Fact]
    public async Task An_unimplemented_method_and_an_unknown_service_are_unimplemented()
    {
        await using var server = await TestServer.StartAsync();

        var method = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.UnimplementedAsync(new Nothing()));
        var service = await Assert.ThrowsAsync<RpcException>(async () => await new Absent.AbsentClient(server.Channel).CallAsync(new Nothing()));

        Assert.Equal(StatusCode.Unimplemented, method.StatusCode);
        Assert.Equal(StatusCode.Unimplemented, service.StatusCode);
        Assert.Contains("standins.interop.Absent", service.Status.Detail);
    }

    [Fact]
    public async Task Any_other_exception_is_unknown_and_says_nothing()
    {
        await using var server = await TestServer.StartAsync();
        server.Script.Empty = (_, _) => throw new InvalidDataException("secret");

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()));

        Assert.Equal(new Status(StatusCode.Unknown, "Exception was thrown by handler."), new Status(e.StatusCode, e.Status.Detail));
    }

    [Fact]
    public async Task Any_other_exception_is_told_where_detailed_errors_are_enabled()
    {
        await using var server = await TestServer.StartAsync(grpc => grpc.EnableDetailedErrors = true);
        server.Script.Empty = (_, _) => throw new InvalidDataException("no secret");

        var e = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()));

        Assert.Equal("Exception was thrown by handler. InvalidDataException: no secret", e.Status.Detail);
    }

    [Fact]
    public async Task A_method_that_returns_may_still_set_a_status()
    {
        await using var server = await TestServer.StartAsync();
        server.Script.Empty = (request, context) =>
        {
            context.Status = new Status(StatusCode.DataLoss, "some of it");
            return Task.FromResult(request);
        };

        Assert.Equal(
            StatusCode.DataLoss, (await Assert.ThrowsAsync<RpcException>(async () => await server.Client.EmptyAsync(new Nothing()))).StatusCode);
    }

    [Fact]
    public async Task A_call_past_its_deadline_ends_on_both_sides()
    {
        await using var server = await TestServer.StartAsync();
        var cancelled = new TaskCompletionSource();
        server.Script.Empty = async (request, context) =>
        {
            Assert.InRange(context.Deadline, DateTime.UtcNow.AddSeconds(-1), DateTime.UtcNow.AddSeconds(1));
            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
            return request;
        };

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.EmptyAsync(new Nothing(), deadline: DateTime.UtcNow.AddMilliseconds(100)));

        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        await cancelled.Task;
    }

    [Fact]
    public async Task A_call_whose_deadline_has_passed_is_not_made()
    {
        using var channel = GrpcChannel.ForAddress("http://127.0.0.1:1");

        var e = await Assert.ThrowsAsync<RpcException>(async () =>
            await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing(), deadline: DateTime.UtcNow.AddSeconds(-1)));

        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
    }

    [Fact]
    public async Task A_cancelled_call_ends_on_both_sides()
    {
        await using var server = await TestServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        var begun = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        server.Script.Empty = async (request, context) =>
        {
            using var registration = context.CancellationToken.Register(cancelled.SetResult);
            begun.SetResult();
            await cancelled.Task;
            return request;
        };
        var call = server.Client.EmptyAsync(new Nothing(), cancellationToken: cancellation.Token);
        await begun.Task;

        await cancellation.CancelAsync();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
        await cancelled.Task;
    }

    [Fact]
    public async Task A_channel_may_ask_for_the_exception_that_cancellation_has_elsewhere()
    {
        await using var server = await TestServer.StartAsync();
        server.Script.Empty = async (request, context) =>
        {
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return request;
        };
        using var channel = GrpcChannel.ForAddress(server.Address, new GrpcChannelOptions { ThrowOperationCanceledOnCancellation = true });
        using var cancellation = new CancellationTokenSource();
        var client = new Interop.Interop.InteropClient(channel);
        var call = client.EmptyAsync(new Nothing(), cancellationToken: cancellation.Token);

        await cancellation.CancelAsync();

        var e = await Assert.ThrowsAsync<OperationCanceledException>(async () => await call);
        Assert.IsType<RpcException>(e.InnerException);
        await Assert.ThrowsAsync<OperationCanceledException>(
            async () => await client.EmptyAsync(new Nothing(), deadline: DateTime.UtcNow.AddMilliseconds(50)));
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_unavailable_and_is_named()
    {
        using var channel = GrpcChannel.ForAddress("http://127.0.0.1:1");

        var e = await Assert.ThrowsAsync<RpcException>(
            async () => await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing()));

        Assert.Equal(StatusCode.Unavailable, e.StatusCode);
        Assert.Contains("http://127.0.0.1:1", e.Status.Detail);
        Assert.IsType<HttpRequestException>(e.Status.DebugException);
    }

    [Theory]
    [InlineData(400, StatusCode.Internal)]
    [InlineData(401, StatusCode.Unauthenticated)]
    [InlineData(403, StatusCode.PermissionDenied)]
    [InlineData(404, StatusCode.Unimplemented)]
    [InlineData(429, StatusCode.Unavailable)]
    [InlineData(502, StatusCode.Unavailable)]
    [InlineData(503, StatusCode.Unavailable)]
    [InlineData(504, StatusCode.Unavailable)]
    [InlineData(418, StatusCode.Unknown)]
    public async Task An_answer_of_plain_http_is_read_as_the_protocol_says(int http, StatusCode expected)
    {
        await using var server = await TestServer.StartAsync(
            map: app => app.Map("standins.interop.Absent/Call", context =>
            {
                context.Response.StatusCode = http;
                return Task.CompletedTask;
            }));

        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Absent.AbsentClient(server.Channel).CallAsync(new Nothing()));

        Assert.Equal(expected, e.StatusCode);
    }

    [Fact]
    public async Task An_answer_of_another_content_type_is_no_answer()
    {
        await using var server = await TestServer.StartAsync(
            map: app => app.Map("standins.interop.Absent/Call", () => "Welcome!"));

        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Absent.AbsentClient(server.Channel).CallAsync(new Nothing()));

        Assert.Equal("Bad gRPC response. Invalid content-type value: text/plain; charset=utf-8", e.Status.Detail);
    }

    [Fact]
    public async Task A_call_in_flight_when_its_channel_is_disposed_of_is_cancelled()
    {
        await using var server = await TestServer.StartAsync();
        var begun = new TaskCompletionSource();
        server.Script.Empty = async (request, context) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, context.CancellationToken);
            return request;
        };
        var call = server.Client.EmptyAsync(new Nothing());
        await begun.Task;

        server.Channel.Dispose();

        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(async () => await call)).StatusCode);
        Assert.Throws<ObjectDisposedException>(() => server.Client.EmptyAsync(new Nothing()));
    }

    [Fact]
    public void A_forgotten_registration_is_named()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddSingleton<InteropScript>();
        IEndpointRouteBuilder app = builder.Build();

        Assert.Contains("AddGrpc", Assert.Throws<InvalidOperationException>(() => app.MapGrpcService<InteropService>()).Message);
    }
}
