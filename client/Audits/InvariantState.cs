using System.Text.Json.Serialization;

namespace Shop.Audits;

/// <summary>The result of an invariant.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<InvariantState>))]
public enum InvariantState
{
    /// <summary>It is true.</summary>
    [JsonStringEnumMemberName("holds")] Holds,

    /// <summary>It is not true yet: an order in progress explains the difference and will remove it.</summary>
    [JsonStringEnumMemberName("underWay")] UnderWay,

    /// <summary>No order in progress explains the difference.</summary>
    [JsonStringEnumMemberName("broken")] Broken,

    /// <summary>A service that it needs did not answer; the part that could be checked is right.</summary>
    [JsonStringEnumMemberName("notLookedAt")] NotChecked,
}
