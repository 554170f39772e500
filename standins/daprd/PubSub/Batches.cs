using System.Threading.Channels;

namespace Daprd.PubSub;

/// <summary>Handles a batch; the result says for each message, in order, why it was not handled, or null.</summary>
/// <param name="stopping">Ends what is under way, too.</param>
internal delegate Task<IReadOnlyList<Exception?>> BatchHandler(IReadOnlyList<Message> batch, CancellationToken stopping);

/// <summary>
/// Gathers the messages of one subscription, which a broker hands over one by one, into batches: until a batch is full or its first message
/// has waited long enough. One batch is handled at a time. Whoever hands a message over waits until its batch is done, so a batch never has
/// more messages than the broker has workers.
/// </summary>
internal sealed class Batches(BulkOptions options, BatchHandler handler, TimeProvider time)
{
    private readonly Channel<Waiting> _queue = Channel.CreateBounded<Waiting>(options.MaxMessages);
    private int _started;

    private readonly record struct Waiting(Message Message, TaskCompletionSource Handled);

    /// <param name="stopping">The same for all messages of the subscription.</param>
    public async Task HandleAsync(Message message, CancellationToken stopping)
    {
        if (Interlocked.Exchange(ref _started, 1) == 0) _ = Task.Run(() => RunAsync(stopping), CancellationToken.None);
        // Who waited goes on at once, one after the other: so their acknowledgements go out together.
        var waiting = new Waiting(message, new TaskCompletionSource());
        await _queue.Writer.WriteAsync(waiting, stopping);
        await waiting.Handled.Task.WaitAsync(stopping);
    }

    /// <summary>Runs until the subscription is stopped; those who wait then see that themselves.</summary>
    private async Task RunAsync(CancellationToken stopping)
    {
        var batch = new List<Waiting>(options.MaxMessages);
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stopping))
            {
                await FillAsync(batch, stopping);
                await FlushAsync(batch, stopping);
                batch.Clear();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task FillAsync(List<Waiting> batch, CancellationToken stopping)
    {
        using var patience = new CancellationTokenSource(options.MaxAwait, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stopping);
        try
        {
            while (batch.Count < options.MaxMessages && await _queue.Reader.WaitToReadAsync(end.Token))
            {
                while (batch.Count < options.MaxMessages && _queue.Reader.TryRead(out var next)) batch.Add(next);
            }
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
        }
    }

    private async Task FlushAsync(List<Waiting> batch, CancellationToken stopping)
    {
        try
        {
            var failures = await handler([.. batch.Select(w => w.Message)], stopping);
            foreach (var (waiting, failure) in batch.Zip(failures))
            {
                if (failure is null) waiting.Handled.SetResult();
                else waiting.Handled.SetException(failure);
            }
        }
        catch (Exception failure) when (!stopping.IsCancellationRequested)
        {
            foreach (var waiting in batch) waiting.Handled.TrySetException(failure);
        }
    }
}
