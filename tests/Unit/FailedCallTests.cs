using System.Text.Json;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using ProblemDetails = Saga.Hosting.ProblemDetails;

namespace Saga.Tests;

/// <summary>What a client is told of a call that failed: nothing that makes it do something twice, or ask for ever.</summary>
public sealed class FailedCallTests
{
    public static TheoryData<Exception, StatusCode> Unanswered => new()
    {
        { new global::Dapr.DaprException("away"), StatusCode.Unavailable },
        { new RpcException(new(StatusCode.DeadlineExceeded, "late")), StatusCode.Unavailable },
        { new ContentionException(), StatusCode.Aborted },
    };

    [Theory, MemberData(nameof(Unanswered))]
    public async Task A_call_that_was_not_answered_may_have_had_its_effect(Exception fault, StatusCode status)
    {
        Assert.Equal((status, true), await OverGrpcAsync(fault, Faults.MayHaveHappened));
        Assert.Equal((503, "UNAVAILABLE", true), await OverHttpAsync(fault, Faults.MayHaveHappened));
        Assert.Contains("same idempotency key", Faults.MayHaveHappened);
    }

    [Fact]
    public async Task A_corrupt_document_of_another_service_is_no_outage()
    {
        Assert.Equal((StatusCode.DataLoss, true), await OverGrpcAsync(CorruptElsewhere, "account:mina is corrupt"));
        // The handler of unhandled exceptions answers it, for it knows who asks.
        Assert.Same(CorruptElsewhere, await Assert.ThrowsAsync<RpcException>(() => OverHttpAsync(CorruptElsewhere, "")));
    }

    public static TheoryData<Exception> Corrupt => new() { CorruptElsewhere, new CorruptDocumentException("account:mina is corrupt: it has -5 won.") };

    [Theory, MemberData(nameof(Corrupt))]
    public async Task A_user_is_not_told_what_is_in_a_corrupt_document_whoever_it_belongs_to(Exception fault)
    {
        Assert.Equal((StatusCode.DataLoss, false), await OverGrpcAsync(fault, "mina", new Caller("jun", IsOperator: false, null)));
        Assert.Equal((StatusCode.DataLoss, true), await OverGrpcAsync(fault, "mina", new Caller("ops", IsOperator: true, null)));
        Assert.Equal((StatusCode.DataLoss, true), await OverGrpcAsync(fault, "mina", new Caller(null, IsOperator: false, "orders")));
    }

    [Fact]
    public async Task A_call_that_is_over_when_its_response_is_ready_is_cancelled_and_logged_nowhere()
    {
        using var interceptor = new ExceptionInterceptor(TimeProvider.System, NullLogger<ExceptionInterceptor>.Instance);
        var call = new Call("/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck", cancelled: new(canceled: true));
        var over = await Assert.ThrowsAsync<RpcException>(() => interceptor.UnaryServerHandler<string, string>("", call, (_, _) => Task.FromResult("")));
        Assert.Equal(StatusCode.Cancelled, over.StatusCode);
    }

    private static RpcException CorruptElsewhere { get; } = new(new(StatusCode.DataLoss, "account:mina is corrupt"));

    private static async Task<(StatusCode, bool)> OverGrpcAsync(Exception fault, string text, Caller? caller = null)
    {
        using var interceptor = new ExceptionInterceptor(TimeProvider.System, NullLogger<ExceptionInterceptor>.Instance);
        var failed = await Assert.ThrowsAsync<RpcException>(() => interceptor.UnaryServerHandler<string, string>(
            "", new Call("/shop.v1.PaymentService/Deposit", caller), (_, _) => Task.FromException<string>(fault)));
        return (failed.StatusCode, failed.Status.Detail.Contains(text));
    }

    private static async Task<(int, string?, bool)> OverHttpAsync(Exception fault, string text)
    {
        using var body = new MemoryStream();
        var http = new DefaultHttpContext { RequestServices = new ServiceCollection().AddLogging().BuildServiceProvider(), Response = { Body = body } };
        await (await ProblemDetails.AnswerAsync(() => Task.FromException<IResult>(fault))).ExecuteAsync(http);
        var problem = JsonDocument.Parse(body.ToArray()).RootElement;
        return (http.Response.StatusCode, problem.GetProperty("title").GetString(), problem.GetProperty("detail").GetString()!.Contains(text));
    }
}
