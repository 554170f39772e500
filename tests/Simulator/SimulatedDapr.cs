using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Saga.Telemetry;
using Shop.V1;
using DaprApi = Dapr.Client.Autogen.Grpc.v1.Dapr;

namespace Saga.Tests;

/// <summary>
/// The API of one instance's daprd in a world, with Redis behind it, for the sidecar classes of the product. Of several writes in one call each
/// is by itself, and the call fails when one does.
/// </summary>
/// <param name="json">The serialization of documents, through which each is written and read back. Null: they are kept as objects, which is faster.</param>
internal sealed class SimulatedDapr(
    World world, SimulatedStore store, string app, JsonSerializerOptions? json, SimulatedCalls calls, Func<SidecarFaults> faults,
    Action<OutgoingEvent> publish) : DaprApi.DaprClient
{
    /// <summary>What Redis says when it refuses a write.</summary>
    public const string OutOfMemory = "possible etag mismatch: OOM command not allowed when used memory > 'maxmemory'.";

    /// <summary>Serializes a document as its number in <see cref="World.Documents"/>.</summary>
    public static readonly JsonSerializerOptions Json = new() { Converters = { new ByNumber() }, TypeInfoResolver = new DefaultJsonTypeInfoResolver() };

    public override AsyncUnaryCall<GetStateResponse> GetStateAsync(
        GetStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => $"read {request.Key}", () =>
        {
            var (data, etag) = Read(request.Key);
            return new GetStateResponse { Data = data, Etag = etag };
        });

    public override AsyncUnaryCall<GetBulkStateResponse> GetBulkStateAsync(
        GetBulkStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => $"read {string.Join(' ', request.Keys)}", () =>
        {
            var response = new GetBulkStateResponse();
            foreach (var key in request.Keys)
            {
                var (data, etag) = Read(key);
                response.Items.Add(world.Happens(faults().Fails)
                    ? new BulkStateItem { Key = key, Error = "The store did not answer." }
                    : new BulkStateItem { Key = key, Data = data, Etag = etag });
            }
            return response;
        });

    public override AsyncUnaryCall<Empty> SaveStateAsync(
        SaveStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => string.Join(", ", request.States.Select(item => $"write {item.Key} {item.Etag.Value}")), () =>
        {
            RpcException? failure = null;
            foreach (var item in request.States)
            {
                if (request.States.Count > 1 && world.Happens(faults().Fails))
                {
                    failure = SimulatedCalls.Down;
                    continue;
                }
                var isRefused = world.Happens(faults().Refuses);
                var isWritten = !isRefused && store.TryWrite(
                    ToKey(item.Key), ThroughJson(world.Documents[int.Parse(item.Value.Span)]), item.Etag.Value,
                    ToTimeToLive(item.Metadata["ttlInSeconds"]));
                // Redis errors are reported as conflicts too, and a conflict on create as an internal error.
                if (!isWritten || world.Happens(faults().FailsAfter))
                {
                    failure = new(new Status(
                        item.Etag.Value.Length == 0 ? StatusCode.Internal : StatusCode.Aborted, isRefused ? OutOfMemory : "possible etag mismatch"));
                }
            }
            return failure is null ? new Empty() : throw failure;
        });

    public override AsyncUnaryCall<Empty> DeleteStateAsync(
        DeleteStateRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => $"delete {request.Key}", () =>
        {
            store.Delete(ToKey(request.Key));
            return new Empty();
        });

    public override AsyncUnaryCall<Empty> PublishEventAsync(
        PublishEventRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => $"publish {request.Metadata["cloudevent.id"]}", () =>
        {
            publish(ToEvent(request.Metadata, request.Data));
            return new Empty();
        });

    public override AsyncUnaryCall<BulkPublishResponse> BulkPublishEventAsync(
        BulkPublishRequest request, Metadata headers = null!, DateTime? deadline = null, CancellationToken cancellationToken = default) =>
        Call(() => $"publish {string.Join(' ', request.Entries.Select(entry => entry.Metadata["cloudevent.id"]))}", () =>
        {
            foreach (var entry in request.Entries)
            {
                // Those before it are published.
                if (world.Happens(faults().Fails)) throw SimulatedCalls.Down;
                publish(ToEvent(entry.Metadata, entry.Event));
            }
            return new BulkPublishResponse();
        });

    private AsyncUnaryCall<T> Call<T>(Func<string> what, Func<T> operation) => new(
        calls.InterceptAsync(what, operation), Task.FromResult(Metadata.Empty), () => Status.DefaultSuccess, () => Metadata.Empty, () => { });

    private (ByteString Data, string ETag) Read(string storeKey)
    {
        var (value, etag) = store.Read(ToKey(storeKey));
        return (value is null ? ByteString.Empty : ByteString.CopyFromUtf8($"{world.Add(value)}"), etag);
    }

    private object ThroughJson(object document)
    {
        if (json is null) return document;
        var type = json.GetTypeInfo(document.GetType());
        return JsonSerializer.Deserialize(JsonSerializer.Serialize(document, type), type)!;
    }

    private static TimeSpan? ToTimeToLive(string seconds) => int.Parse(seconds) is var time and not -1 ? TimeSpan.FromSeconds(time) : null;

    /// <summary>The key in the store, after the prefix that Dapr puts before it, of a key that begins with the app id.</summary>
    private string ToKey(string storeKey) => $"{app}||{storeKey[(app.Length + 1)..]}";

    private static OutgoingEvent ToEvent(IDictionary<string, string> metadata, ByteString data) => new(
        EventIds.GetOrderId(metadata["cloudevent.id"]),
        OrderCreatedEvent.Descriptor.File.MessageTypes.Single(type => type.FullName == metadata["cloudevent.type"]).Parser.ParseJson(data.ToStringUtf8()));

    private sealed class ByNumber : JsonConverterFactory
    {
        public override bool CanConvert(System.Type typeToConvert) => typeToConvert.IsClass;

        public override JsonConverter CreateConverter(System.Type typeToConvert, JsonSerializerOptions options) =>
            (JsonConverter)Activator.CreateInstance(typeof(Of<>).MakeGenericType(typeToConvert))!;

        private sealed class Of<T> : JsonConverter<T> where T : class
        {
            public override T Read(ref Utf8JsonReader reader, System.Type typeToConvert, JsonSerializerOptions options) => (T)Here.Documents[reader.GetInt32()];

            public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) => writer.WriteNumberValue(Here.Add(value));

            /// <summary>The world in which the code runs.</summary>
            private static World Here => (World)SynchronizationContext.Current!;
        }
    }
}
