using System.Text.Json;
using Google.Protobuf;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Saga.Dapr;

namespace Saga.Messaging;

/// <summary>Whether handlers run dry. Then a call that changes something at another service must not be made.</summary>
internal sealed record DryRunMode(bool IsOn);

/// <summary>Shows the effects of handling an event without having any: the real handlers run on a <see cref="RecordingSidecar"/>.</summary>
/// <param name="services">The registrations of the service, for a second container.</param>
/// <param name="subscribe">Creates the subscriptions from that container.</param>
/// <param name="isBookkeeping">True for the key of a document whose change is not an effect.</param>
internal sealed class DryRun(
    IServiceCollection services, Func<IServiceProvider, Subscriptions> subscribe, Func<string, bool> isBookkeeping, ISidecar sidecar,
    JsonSerializerOptions json)
{
    /// <returns>A line for each document that would change and each event that would be published; and why it would fail, or empty.</returns>
    public async Task<(IReadOnlyList<string> Effects, string Failure)> RunAsync(string topic, IMessage e, CancellationToken ct)
    {
        var recorder = new RecordingSidecar(sidecar, isBookkeeping, json);
        IServiceCollection stage = new ServiceCollection();
        foreach (var service in services.Where(service => service.ServiceType != typeof(IHostedService))) stage.Add(service);
        stage.Replace(ServiceDescriptor.Singleton<ISidecar>(recorder));
        stage.Replace(ServiceDescriptor.Singleton(new DryRunMode(IsOn: true)));
        stage.Replace(ServiceDescriptor.Singleton<ILoggerFactory>(NullLoggerFactory.Instance));
        await using var provider = stage.BuildServiceProvider();
        try
        {
            await subscribe(provider).OnRedriven(topic)!.HandleAsync(e, ct);
            return (recorder.Effects, "");
        }
        catch (Exception fault) when (!ct.IsCancellationRequested)
        {
            return (recorder.Effects, fault.Message);
        }
    }
}
