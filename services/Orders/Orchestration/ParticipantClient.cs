using System.Collections.Concurrent;
using Grpc.Core;
using Shop.V1;

namespace Orders;

/// <summary>The calls of an orchestrated order.</summary>
internal interface IParticipantCalls
{
    /// <exception cref="RpcException">It did not answer. What it was asked for may be held.</exception>
    Task<ReserveResponse> ReserveAsync(Step step, OrderCreatedEvent order, CancellationToken ct);

    /// <exception cref="RpcException">It did not answer. What it was asked to release may be held still.</exception>
    Task<ReleaseResponse> ReleaseAsync(Step step, OrderFailedEvent order, CancellationToken ct);
}

/// <summary>Calls the participants through the sidecars, each call with the timeout Saga:CallTimeout.</summary>
internal sealed class ParticipantClient(SidecarChannel sidecar, SagaOptions options, DryRunMode dryRun, TimeProvider clock) : IParticipantCalls
{
    private readonly ConcurrentDictionary<string, ParticipantService.ParticipantServiceClient> clients = new();

    public async Task<ReserveResponse> ReserveAsync(Step step, OrderCreatedEvent order, CancellationToken ct) =>
        await GetClient(step).ReserveAsync(new() { Order = order }, deadline: Deadline, cancellationToken: ct);

    public async Task<ReleaseResponse> ReleaseAsync(Step step, OrderFailedEvent order, CancellationToken ct) =>
        await GetClient(step).ReleaseAsync(new() { Order = order }, deadline: Deadline, cancellationToken: ct);

    private DateTime Deadline => clock.GetUtcNow().UtcDateTime + options.CallTimeout;

    /// <exception cref="RpcException">It is a dry run: what the participant would answer is not known.</exception>
    private ParticipantService.ParticipantServiceClient GetClient(Step step) =>
        dryRun.IsOn ? throw new RpcException(new(StatusCode.Unavailable, "A dry run calls no participant."))
        : clients.GetOrAdd(step.Name, name => new(sidecar.To(name)));
}
