using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace Grpc.Net.Client.Http2;

/// <summary>What has come of an answer, and the one who waits for it.</summary>
/// <param name="patient">True: who waits is woken for much only, or when all is there.</param>
internal sealed class Inbox(Http2Stream stream, bool patient) : PipeReader, IValueTaskSource, IThreadPoolWorkItem
{
    /// <summary>Bytes that the server may send before it is told that they were looked at.</summary>
    public const int Window = 1024 * 1024;

    /// <summary>Bytes that a patient reader is woken for.</summary>
    private const int Much = 32 * 1024;

    private ManualResetValueTaskSourceCore<bool> signal;
    private TaskCompletionSource? opening;
    private byte[] buffer = [];
    private int start;
    private int end;

    /// <summary>Bytes from the start that the reader has looked at, and wants more than.</summary>
    private int examined;

    /// <summary>Where the bytes that the reader has in hand begin; -1: it has none.</summary>
    private int inHand = -1;

    private int neededBytes;
    private int uncredited;
    private bool waiting;
    private bool opened;
    private bool ended;
    private bool released;
    private Exception? fault;

    /// <summary>Told when the one whom it woke goes on.</summary>
    public Http2Connection? Waker { get; set; }

    public Task HeadersAsync()
    {
        lock (this)
        {
            return opened ? Task.CompletedTask
                : fault is not null ? Task.FromException(fault)
                : (opening ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    public ValueTask AnsweredAsync() => WaitAsync(patient ? Much : 0);

    /// <summary>The headers have come.</summary>
    /// <returns>True: somebody who waited is to be woken, by <see cref="Execute"/>.</returns>
    public bool Open()
    {
        lock (this)
        {
            opened = true;
            opening?.TrySetResult();
            return Wakes();
        }
    }

    /// <inheritdoc cref="Open"/>
    public bool Append(ReadOnlySpan<byte> bytes)
    {
        lock (this)
        {
            if (released || fault is not null)
            {
                return false;
            }

            Ensure(bytes.Length);
            bytes.CopyTo(buffer.AsSpan(end));
            end += bytes.Length;
            return Wakes();
        }
    }

    /// <inheritdoc cref="Open"/>
    public bool End()
    {
        lock (this)
        {
            ended = true;
            return Wakes();
        }
    }

    public void Fail(Exception e)
    {
        lock (this)
        {
            fault ??= e;
            opening?.TrySetException(e);
            if (Wakes())
            {
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }
        }
    }

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var waited = WaitAsync(patient ? Much : 1);
        if (!waited.IsCompletedSuccessfully)
        {
            return ReadSlowlyAsync(waited);
        }

        waited.GetAwaiter().GetResult();
        return new ValueTask<ReadResult>(Take());
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (this)
        {
            if (!IsReady(1))
            {
                result = default;
                return false;
            }
        }

        result = Take();
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        int credit;
        lock (this)
        {
            // Meanwhile the bytes may have moved.
            if (released)
            {
                return;
            }

            var taken = consumed.GetInteger() - inHand;
            var seen = examined.GetInteger() - inHand;
            inHand = -1;
            uncredited += Math.Max(0, seen - this.examined);
            this.examined = Math.Max(seen, this.examined) - taken;
            start += taken;
            credit = uncredited >= Window / 2 && !ended ? uncredited : 0;
            uncredited -= credit;
        }

        if (credit > 0)
        {
            stream.Credit(credit);
        }
    }

    public override void CancelPendingRead() => Fail(new OperationCanceledException("Reading was cancelled."));

    public override void Complete(Exception? exception = null)
    {
        lock (this)
        {
            released = true;
            if (inHand < 0 && buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            // Bytes that are in somebody's hand are nobody else's.
            buffer = [];
            start = end = 0;
        }
    }

    /// <summary>Lets the one who waited go on, on this thread.</summary>
    public void Execute()
    {
        var waker = Waker;
        Waker = null;
        waker?.WentOn();
        signal.SetResult(true);
    }

    void IValueTaskSource.GetResult(short token)
    {
        signal.GetResult(token);
        if (fault is not null && !opened)
        {
            throw fault;
        }
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => signal.GetStatus(token);

    void IValueTaskSource.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        signal.OnCompleted(continuation, state, token, flags);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReadSlowlyAsync(ValueTask waited)
    {
        await waited.ConfigureAwait(false);
        return Take();
    }

    private ReadResult Take()
    {
        lock (this)
        {
            if (released || (fault is not null && end - start == examined))
            {
                throw fault ?? new OperationCanceledException("The call has ended.");
            }

            inHand = start;
            return new ReadResult(new ReadOnlySequence<byte>(buffer, start, end - start), isCanceled: false, isCompleted: ended);
        }
    }

    private ValueTask WaitAsync(int bytes)
    {
        lock (this)
        {
            if (IsReady(bytes))
            {
                return fault is not null && !opened ? ValueTask.FromException(fault) : default;
            }

            waiting = true;
            neededBytes = bytes;
            signal.Reset();
            return new ValueTask(this, signal.Version);
        }
    }

    private bool IsReady(int bytes) => fault is not null || ended || (opened && end - start - examined >= bytes);

    private bool Wakes()
    {
        if (!waiting || !IsReady(neededBytes))
        {
            return false;
        }

        waiting = false;
        return true;
    }

    private void Ensure(int more)
    {
        if (buffer.Length - end >= more)
        {
            return;
        }

        var held = end - start;
        if (inHand < 0 && buffer.Length - held >= more)
        {
            buffer.AsSpan(start, held).CopyTo(buffer);
        }
        else
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(held + more, 2 * held));
            buffer.AsSpan(start, held).CopyTo(larger);
            if (inHand < 0 && buffer.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            buffer = larger;
        }

        start = 0;
        end = held;
    }
}
