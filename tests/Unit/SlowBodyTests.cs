using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Saga.Tests;

/// <summary>A request counts as one in progress while its body comes.</summary>
public sealed class SlowBodyTests
{
    [Fact]
    public async Task A_body_that_does_not_come_ends_with_408()
    {
        var clock = new VirtualClock();
        await using var services = new ServiceCollection().AddSingleton<TimeProvider>(clock).BuildServiceProvider();
        var pipe = new Pipe();
        var http = new DefaultHttpContext { RequestServices = services, Request = { Body = pipe.Reader.AsStream() } };
        await pipe.Writer.WriteAsync("{"u8.ToArray());
        var read = http.Request.ReadTextAsync(default);
        clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromSeconds(9));
        Assert.False(read.IsCompleted);
        clock.AdvanceTo(clock.GetUtcNow() + TimeSpan.FromSeconds(1));
        Assert.Equal(StatusCodes.Status408RequestTimeout, (await Assert.ThrowsAsync<BadHttpRequestException>(() => read)).StatusCode);
    }

    [Fact]
    public async Task A_client_that_leaves_is_no_slow_one()
    {
        await using var services = new ServiceCollection().AddSingleton<TimeProvider>(new VirtualClock()).BuildServiceProvider();
        var http = new DefaultHttpContext { RequestServices = services, Request = { Body = new Pipe().Reader.AsStream() } };
        using var left = new CancellationTokenSource();
        var read = http.Request.ReadTextAsync(left.Token);
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
    }
}
