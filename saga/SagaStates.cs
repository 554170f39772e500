using System.Text.Json.Serialization;

namespace Saga;

/// <summary>How the documents of the building block are written as JSON.</summary>
[JsonSerializable(typeof(Reservation))]
[JsonSerializable(typeof(IdList))]
[JsonSerializable(typeof(OpenInstances))]
[JsonSerializable(typeof(OpenHead))]
[JsonSerializable(typeof(OpenSegment))]
[JsonSerializable(typeof(DeadLetter))]
internal sealed partial class SagaJsonContext : JsonSerializerContext;
