using System.Threading.Channels;

namespace Daprd.PubSub;

/// <summary>Handles a batch. Returns one result per message, in order: null or the failure.</summary>
/// <param name="stopping">Also cancels the current attempt.</param>
internal delegate Task<IReadOnlyList<Exception?>> BatchHandler(IReadOnlyList<Message> batch, CancellationToken stopping);

/// <summary>
/// Collects the messages of one subscription into batches. A batch is handled when it is full or MaxAwait after its first message, one batch
/// at a time. HandleAsync completes with the batch of its message, so a batch has at most as many messages as the broker has workers.
/// </summary>
internal sealed class BulkAccumulator(BulkOptions options, BatchHandler handler)
{
    private readonly Channel<Waiting> waiting = Channel.CreateUnbounded<Waiting>();
    private int running;

    private readonly record struct Waiting(Message Message, TaskCompletionSource Handled);

    /// <param name="deadline">Not used: the messages of a batch wait for each other.</param>
    /// <param name="stopping">The same token for all messages of the subscription.</param>
    public Task HandleAsync(Message message, CancellationToken deadline, CancellationToken stopping)
    {
        if (Interlocked.Exchange(ref running, 1) == 0) _ = Task.Run(() => RunAsync(stopping), CancellationToken.None);
        var one = new Waiting(message, new TaskCompletionSource());
        waiting.Writer.TryWrite(one);
        return one.Handled.Task.WaitAsync(stopping);
    }

    /// <summary>Runs until the subscription is stopped.</summary>
    private async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            while (true) await HandleAsync(await GatherAsync(stopping), stopping);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task<List<Waiting>> GatherAsync(CancellationToken stopping)
    {
        List<Waiting> batch = [await waiting.Reader.ReadAsync(stopping)];
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(options.MaxAwait);
        try
        {
            while (batch.Count < options.MaxMessages) batch.Add(await waiting.Reader.ReadAsync(limit.Token));
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The batch is not full.
        }

        return batch;
    }

    private async Task HandleAsync(List<Waiting> batch, CancellationToken stopping)
    {
        try
        {
            var failures = await handler(batch.ConvertAll(w => w.Message), stopping);
            foreach (var (at, one) in batch.Index())
            {
                if (failures[at] is { } failure) one.Handled.SetException(failure);
                else one.Handled.SetResult();
            }
        }
        catch (Exception failure)
        {
            foreach (var one in batch) one.Handled.TrySetException(failure);
        }
    }
}
