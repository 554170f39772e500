using System.Text.Json.Serialization;
using Saga.Commands;
using Saga.Messaging;
using Saga.OpenOrders;
using Saga.Reservations;
using Saga.State;

namespace Saga.Hosting;

/// <summary>The JSON serialization of this library's documents.</summary>
[JsonSerializable(typeof(Reservation))]
[JsonSerializable(typeof(IdShard))]
[JsonSerializable(typeof(OpenInstances))]
[JsonSerializable(typeof(OpenHead))]
[JsonSerializable(typeof(OpenSegment))]
[JsonSerializable(typeof(DeadLetter))]
[JsonSerializable(typeof(CompletedCommand))]
[JsonSerializable(typeof(UsedKey))]
[JsonSerializable(typeof(ProbeDocument))]
internal sealed partial class SagaJsonContext : JsonSerializerContext;
