using System.Diagnostics;

namespace Daprd.Tracing;

/// <summary>One span, or only the propagated context if no spans are created.</summary>
/// <param name="context">The context that outgoing calls carry.</param>
internal readonly struct Span(Activity? activity, TraceContext context) : IDisposable
{
    public TraceContext Context => context.Parent is null ? TraceContext.None : context;

    /// <summary>Whether attributes are recorded.</summary>
    public bool IsRecorded => activity is { IsAllDataRequested: true };

    /// <summary>Sets an attribute; ignores an empty value.</summary>
    public void Set(string name, string value)
    {
        if (IsRecorded && value.Length > 0) activity!.SetTag(name, value);
    }

    /// <summary>Sets the attributes of a delivery.</summary>
    public void SetTopic(string topic)
    {
        Set("messaging.system", "pubsub");
        Set("messaging.destination.name", topic);
    }

    /// <summary>Sets the attributes of a publish call.</summary>
    public void SetPublishing(string topic)
    {
        Set("rpc.service", "Dapr");
        SetTopic(topic);
    }

    /// <summary>Sets the attributes of a state call.</summary>
    /// <param name="statement">The full name of the API method.</param>
    public void SetStore(string store, string statement)
    {
        Set("db.name", store);
        Set("rpc.service", "Dapr");
        Set("db.system", "state");
        Set("db.statement", statement);
        Set("db.connection_string", "state");
    }

    /// <summary>Sets the attributes of an API call.</summary>
    /// <param name="headers">Headers that start with dapr- become attributes, except for the token.</param>
    public void SetApi(string protocol, string api, IEnumerable<KeyValuePair<string, string>> headers)
    {
        if (!IsRecorded) return;
        foreach (var (name, value) in headers)
        {
            var isRecorded = name.StartsWith("dapr-", StringComparison.OrdinalIgnoreCase) && !name.EndsWith("-bin", StringComparison.OrdinalIgnoreCase);
            if (isRecorded && !name.Equals("dapr-api-token", StringComparison.OrdinalIgnoreCase)) Set(name.ToLowerInvariant(), value);
        }

        Set("dapr.protocol", protocol);
        Set("dapr.api", api);
    }

    public void Fail(string why)
    {
        if (IsRecorded) activity!.SetStatus(ActivityStatusCode.Error, why);
    }

    public void Dispose() => activity?.Dispose();
}
