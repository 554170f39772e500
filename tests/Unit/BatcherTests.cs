using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dapr;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Tests;

/// <summary>Requests that are submitted before a call begins share it.</summary>
public sealed class BatcherTests
{

    private sealed record Note(string Text);

    [Fact]
    public async Task Concurrent_requests_of_one_step_share_one_call()
    {
        var calls = new ConcurrentQueue<(string Step, int Wanted)>();
        Batcher<int, int> Step(string name) => new(async wanted =>
        {
            calls.Enqueue((name, wanted.Count));
            await Task.Delay(1);
            return [.. wanted.Select(Task.FromResult)];
        }, maxConcurrency: 2, maxBatchSize: 100);
        var (first, second) = (Step("first"), Step("second"));

        var results = await SingleThread.RunAsync(() => Task.WhenAll(Enumerable.Range(0, 30).Select(async at =>
            await first.SubmitAsync(at, default) + await second.SubmitAsync(at, default) + await first.SubmitAsync(at, default))));

        Assert.Equal(Enumerable.Range(0, 30).Select(at => 3 * at), results);
        Assert.Equal([("first", 30), ("second", 30), ("first", 30)], calls);
    }

    [Fact]
    public async Task More_items_than_the_batch_size_take_several_calls_in_order()
    {
        var (underWay, most, counts) = (0, 0, new ConcurrentQueue<int>());
        var together = new Batcher<int, int>(async wanted =>
        {
            most = Math.Max(most, Interlocked.Increment(ref underWay));
            counts.Enqueue(wanted.Count);
            await Task.Yield();
            Interlocked.Decrement(ref underWay);
            return [.. wanted.Select(Task.FromResult)];
        }, maxConcurrency: 2, maxBatchSize: 10);
        Assert.Equal(
            Enumerable.Range(0, 55),
            await SingleThread.RunAsync(() => Task.WhenAll(Enumerable.Range(0, 55).Select(at => together.SubmitAsync(at, default)))));
        Assert.Equal(2, most);
        Assert.Equal(55, counts.Sum());
        Assert.Equal(6, counts.Count);
    }

    [Fact]
    public async Task A_failed_call_fails_its_own_items_only()
    {
        var calls = 0;
        var together = new Batcher<int, int>(wanted => calls++ == 0
            ? throw new InvalidOperationException("away")
            : Task.FromResult<IReadOnlyList<Task<int>>>([.. wanted.Select(Task.FromResult)]), maxConcurrency: 1, maxBatchSize: 2);
        var all = await SingleThread.RunAsync(() => Task.WhenAll(Enumerable.Range(0, 4).Select(async at =>
        {
            try
            {
                return await together.SubmitAsync(at, default);
            }
            catch (InvalidOperationException)
            {
                return -1;
            }
        })));
        Assert.Equal([-1, -1, 2, 3], all);
    }

    [Fact]
    public async Task A_bulk_write_with_conflicts_makes_all_other_writes_in_few_calls()
    {
        var dapr = new CountingStore();
        var sidecar = Sidecar(dapr);
        foreach (var at in (int[])[3, 7]) dapr.Kept[$"app:k{at}"] = (ByteString.CopyFromUtf8("{\"text\":\"another writer's\"}"), 5);
        var written = await SingleThread.RunAsync(() => Task.WhenAll(Enumerable.Range(0, 20).Select(at =>
            sidecar.TrySaveAsync(new Versioned<Note>($"k{at}", null, ""), new Note($"{at}"), null, default))));
        // Items that were written although the call failed count as conflicts too; their callers find their own effect.
        Assert.Equal((false, false), (written[3], written[7]));
        Assert.All(Enumerable.Range(0, 20), at => Assert.Contains(at is 3 or 7 ? "another writer's" : $"\"{at}\"", dapr.Kept[$"app:k{at}"].Data.ToStringUtf8()));
        Assert.InRange(dapr.Calls, 2, 3);
    }

    [Fact]
    public async Task A_failed_bulk_write_reports_each_error()
    {
        var dapr = new CountingStore { Away = true };
        var sidecar = Sidecar(dapr);
        var writes = Enumerable.Range(0, 3)
            .Select(at => sidecar.TrySaveAsync(new Versioned<Note>($"k{at}", null, ""), new Note($"{at}"), null, default))
            .ToArray();
        foreach (var write in writes) await Assert.ThrowsAsync<DaprException>(() => write);
    }

    [Fact]
    public async Task A_refused_key_fails_no_other_item_of_its_call()
    {
        var dapr = new CountingStore();
        dapr.Kept["app:good"] = (ByteString.CopyFromUtf8("{\"text\":\"here\"}"), 1);
        var sidecar = Sidecar(dapr);
        var reads = await SingleThread.RunAsync(() => sidecar.ReadEachAsync<Note>(["good", "evil||1", "absent"], default));
        Assert.Equal("here", (await reads[0]).Value?.Text);
        Assert.Null((await reads[2]).Value);
        Assert.False(Faults.IsTransient(await Assert.ThrowsAsync<DaprException>(() => reads[1])));

        var writes = await SingleThread.RunAsync(async () =>
        {
            Task<bool> SaveAsync(string key) => sidecar.TrySaveAsync(new Versioned<Note>(key, null, ""), new Note("x"), null, default);
            Task<bool>[] all = [SaveAsync("new"), SaveAsync("evil||1"), SaveAsync("other")];
            await Task.WhenAny(Task.WhenAll(all));
            return all;
        });
        Assert.True(await writes[0] && await writes[2]);
        await Assert.ThrowsAsync<DaprException>(() => writes[1]);
    }

    [Theory, InlineData("{\"text\":"), InlineData("null"), InlineData("[]"), InlineData("WRONG")]
    public async Task A_corrupt_document_is_reported_with_its_key(string json)
    {
        var dapr = new CountingStore();
        dapr.Kept["app:k"] = (ByteString.CopyFromUtf8(json), 1);
        var corrupt = await Assert.ThrowsAsync<CorruptDocumentException>(() => Sidecar(dapr).ReadAsync<Note>("k", default));
        Assert.StartsWith("k is corrupt, no Note: ", corrupt.Message);
        Assert.False(Faults.IsTransient(corrupt));
    }

    [Fact]
    public async Task Items_that_are_submitted_during_a_call_can_join_it()
    {
        Batcher<int, int>? batcher = null;
        Task<int>? late = null;
        var calls = 0;
        batcher = new(async batch =>
        {
            calls++;
            late ??= batcher!.SubmitAsync(2, default);
            await Task.Yield();
            batch.AddLateArrivals();
            return [.. batch.Select(Task.FromResult)];
        }, maxConcurrency: 1, maxBatchSize: 2);
        Assert.Equal(1, await batcher.SubmitAsync(1, default));
        Assert.Equal((2, 1), (await late!, calls));
    }

    [Fact]
    public async Task Without_batching_every_operation_is_one_call()
    {
        var dapr = new CountingStore();
        var sidecar = Sidecar(dapr, batching: false);
        dapr.Kept["app:k3"] = (ByteString.CopyFromUtf8("{\"text\":\"another writer's\"}"), 5);
        var written = await SingleThread.RunAsync(() => Task.WhenAll(Enumerable.Range(0, 10).Select(at =>
            sidecar.TrySaveAsync(new Versioned<Note>($"k{at}", null, ""), new Note($"{at}"), null, default))));
        Assert.Equal(Enumerable.Range(0, 10).Select(at => at != 3), written);
        // One of them tells the conflict from a fault.
        Assert.Equal(11, dapr.Calls);
        var read = await SingleThread.RunAsync(() => sidecar.ReadManyAsync<Note>(["k3", "k4", "absent"], default));
        Assert.Equal(["another writer's", "4", null], read.Select(document => document.Value?.Text));
        Assert.Equal(14, dapr.Calls);
    }

    [Fact]
    public async Task Without_batching_a_cancelled_call_is_cancelled_and_not_a_fault_of_the_sidecar()
    {
        var sidecar = Sidecar(new CountingStore { Away = true }, batching: false);
        await Assert.ThrowsAsync<DaprException>(() => sidecar.ReadAsync<Note>("k", default));
        await Assert.ThrowsAsync<OperationCanceledException>(() => sidecar.ReadAsync<Note>("k", new(canceled: true)));
    }

    private static DaprSidecar Sidecar(CountingStore dapr, bool batching = true) =>
        DaprSidecar.Create(dapr, new AppId("app"), SagaHost.CreateJsonOptions(new DefaultJsonTypeInfoResolver()), batching);

    /// <summary>A store behind Dapr's API with ETags as Redis has them: of many writes each is by itself, and the call fails when one does.</summary>
    private sealed class CountingStore : DaprApi.DaprClient
    {
        public ConcurrentDictionary<string, (ByteString Data, long Version)> Kept { get; } = new();

        public bool Away { get; init; }

        public int Calls { get; private set; }

        public override AsyncUnaryCall<Empty> SaveStateAsync(
            SaveStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
            Answer(() =>
            {
                Refuse(request.States.Select(item => item.Key));
                var lost = 0;
                foreach (var item in request.States)
                {
                    if (!Kept.TryGetValue(item.Key, out var kept)) Kept[item.Key] = (item.Value, 1);
                    else if (item.Etag.Value == $"{kept.Version}") Kept[item.Key] = (item.Value, kept.Version + 1);
                    else lost++;
                }
                return lost == 0 ? new Empty() : throw new RpcException(new Status(StatusCode.Aborted, "possible etag mismatch"));
            });

        public override AsyncUnaryCall<GetBulkStateResponse> GetBulkStateAsync(
            GetBulkStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
            Answer(() =>
            {
                Refuse(request.Keys);
                return new GetBulkStateResponse
                {
                    Items =
                    {
                        request.Keys.Select(key => Kept.TryGetValue(key, out var kept)
                            ? new BulkStateItem { Key = key, Data = kept.Data, Etag = $"{kept.Version}" }
                            : new BulkStateItem { Key = key }),
                    },
                };
            });

        public override AsyncUnaryCall<GetStateResponse> GetStateAsync(
            GetStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
            Answer(() =>
            {
                Refuse([request.Key]);
                return Kept.TryGetValue(request.Key, out var kept)
                    ? new GetStateResponse { Data = kept.Data, Etag = $"{kept.Version}" }
                    : new GetStateResponse();
            });

        // As daprd does: one such key fails the whole call.
        private static void Refuse(IEnumerable<string> keys)
        {
            if (keys.FirstOrDefault(key => key.Contains("||", StringComparison.Ordinal)) is not { } illegal) return;
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"input key/keyPrefix '{illegal}' can't contain '||'"));
        }

        private AsyncUnaryCall<T> Answer<T>(Func<T> answer)
        {
            Calls++;
            Task<T> answering;
            try
            {
                answering = Away ? throw new RpcException(new Status(StatusCode.Unavailable, "away")) : Task.FromResult(answer());
            }
            catch (RpcException failure)
            {
                answering = Task.FromException<T>(failure);
            }
            return new(answering, Task.FromResult(Metadata.Empty), () => Status.DefaultSuccess, () => Metadata.Empty, () => { });
        }
    }
}

/// <summary>Runs work and its continuations one after the other, in the order in which they become ready, so that batches are the same in each run.</summary>
internal sealed class SingleThread : SynchronizationContext
{
    private readonly BlockingCollection<(SendOrPostCallback Go, object? State)> ready = [];

    public static Task<T> RunAsync<T>(Func<Task<T>> work) => Task.Run(() =>
    {
        var thread = new SingleThread();
        SetSynchronizationContext(thread);
        var result = work();
        result.ContinueWith(_ => thread.ready.CompleteAdding(), default, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        foreach (var (go, state) in thread.ready.GetConsumingEnumerable()) go(state);
        SetSynchronizationContext(null);
        return result;
    });

    public override void Post(SendOrPostCallback d, object? state) => ready.Add((d, state));
}
