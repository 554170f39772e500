namespace Daprd.PubSub;

/// <summary>Handles a batch. Returns one result per message, in order: null or the failure.</summary>
/// <param name="stopping">Also cancels the current attempt.</param>
internal delegate Task<IReadOnlyList<Exception?>> BatchHandler(IReadOnlyList<Message> batch, CancellationToken stopping);

/// <summary>
/// Collects the messages of one subscription into batches. A batch is handled when it is full or MaxAwait after its first message, one batch
/// at a time. HandleAsync completes with the batch of its message, so a batch has at most as many messages as the broker has workers.
/// </summary>
internal sealed class BulkAccumulator(BulkOptions options, BatchHandler handler, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Queue<Waiting> waiting = new();
    private ITimer? timer;
    private bool busy;

    // Without RunContinuationsAsynchronously: the continuations run one after the other, so their acknowledgements go out in one write.
    private readonly record struct Waiting(Message Message, TaskCompletionSource Handled);

    /// <param name="deadline">Not used: the messages of a batch wait for each other.</param>
    /// <param name="stopping">The same token for all messages of the subscription.</param>
    public Task HandleAsync(Message message, CancellationToken deadline, CancellationToken stopping)
    {
        var waiting = new Waiting(message, new TaskCompletionSource());
        bool full;
        lock (gate)
        {
            this.waiting.Enqueue(waiting);
            full = Gather(stopping);
        }

        if (full) _ = Task.Run(() => FlushAsync(stopping), CancellationToken.None);
        return waiting.Handled.Task.WaitAsync(stopping);
    }

    /// <summary>True if a full batch is ready; otherwise starts the MaxAwait timer unless it is running or no message waits.</summary>
    private bool Gather(CancellationToken stopping)
    {
        if (busy || waiting.Count == 0) return false;
        if (waiting.Count < options.MaxMessages)
        {
            timer ??= time.CreateTimer(_ => OnMaxAwait(stopping), null, options.MaxAwait, Timeout.InfiniteTimeSpan);
            return false;
        }

        Close();
        return true;
    }

    private void OnMaxAwait(CancellationToken stopping)
    {
        lock (gate)
        {
            if (busy || timer is null) return;
            Close();
        }

        _ = FlushAsync(stopping);
    }

    private void Close()
    {
        timer?.Dispose();
        timer = null;
        busy = true;
    }

    private async Task FlushAsync(CancellationToken stopping)
    {
        for (var again = true; again && !stopping.IsCancellationRequested;)
        {
            List<Waiting> batch;
            lock (gate)
            {
                batch = new List<Waiting>(Math.Min(waiting.Count, options.MaxMessages));
                while (batch.Count < options.MaxMessages && waiting.TryDequeue(out var next)) batch.Add(next);
            }

            await HandleAsync(batch, stopping);
            lock (gate)
            {
                busy = false;
                again = Gather(stopping);
            }
        }
    }

    private async Task HandleAsync(List<Waiting> batch, CancellationToken stopping)
    {
        try
        {
            var failures = await handler(batch.ConvertAll(w => w.Message), stopping);
            for (var i = 0; i < batch.Count; i++)
            {
                if (failures[i] is { } failure) batch[i].Handled.SetException(failure);
                else batch[i].Handled.SetResult();
            }
        }
        catch (Exception failure)
        {
            foreach (var waiting in batch) waiting.Handled.TrySetException(failure);
        }
    }
}
