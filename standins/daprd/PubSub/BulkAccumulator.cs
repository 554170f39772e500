namespace Daprd.PubSub;

/// <summary>Handles a batch; the result says for each message, in order, why it was not handled, or null.</summary>
/// <param name="stopping">Ends what is under way, too.</param>
internal delegate Task<IReadOnlyList<Exception?>> BatchHandler(IReadOnlyList<Message> batch, CancellationToken stopping);

/// <summary>
/// Gathers the messages of one subscription, which a broker hands over one by one, into batches: until a batch is full or its first message
/// has waited long enough. One batch is handled at a time. Whoever hands a message over waits until its batch is done, so a batch never has
/// more messages than the broker has workers.
/// </summary>
internal sealed class BulkAccumulator(BulkOptions options, BatchHandler handler, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Queue<Waiting> waiting = new();
    private ITimer? timer;
    private bool busy;

    // Who waited goes on at once, one after the other: so their acknowledgements go out together.
    private readonly record struct Waiting(Message Message, TaskCompletionSource Handled);

    /// <param name="deadline">Is not for batches: their messages wait for each other.</param>
    /// <param name="stopping">The same for all messages of the subscription.</param>
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

    /// <summary>True when a batch is to be handled at once; otherwise its patience begins, unless it has begun or there is nothing.</summary>
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
