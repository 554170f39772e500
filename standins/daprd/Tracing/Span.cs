using System.Diagnostics;

namespace Daprd.Tracing;

/// <summary>One span, or where none is made only the context that is passed on.</summary>
/// <param name="context">For whoever is called on behalf of it.</param>
internal readonly struct Span(Activity? activity, TraceContext context) : IDisposable
{
    public TraceContext Context => context.Parent is null ? TraceContext.None : context;

    /// <summary>Whether describing it is of any use.</summary>
    public bool IsRecorded => activity is { IsAllDataRequested: true };

    /// <summary>An empty value is left out.</summary>
    public void Set(string name, string value)
    {
        if (IsRecorded && value.Length > 0) activity!.SetTag(name, value);
    }

    /// <summary>It concerns a topic.</summary>
    public void SetTopic(string topic)
    {
        Set("messaging.system", "pubsub");
        Set("messaging.destination.name", topic);
    }

    /// <summary>It is an API call that concerns a topic.</summary>
    public void SetPublishing(string topic)
    {
        Set("rpc.service", "Dapr");
        SetTopic(topic);
    }

    /// <summary>It is an API call that concerns a state store.</summary>
    /// <param name="statement">The call, as the API names it.</param>
    public void SetStore(string store, string statement)
    {
        Set("db.name", store);
        Set("rpc.service", "Dapr");
        Set("db.system", "state");
        Set("db.statement", statement);
        Set("db.connection_string", "state");
    }

    /// <summary>It is an API call.</summary>
    /// <param name="headers">Those that start with dapr- are kept, but not the token.</param>
    public void SetApi(string protocol, string api, IEnumerable<KeyValuePair<string, string>> headers)
    {
        if (!IsRecorded) return;
        foreach (var (name, value) in headers)
        {
            var isTold = name.StartsWith("dapr-", StringComparison.OrdinalIgnoreCase) && !name.EndsWith("-bin", StringComparison.OrdinalIgnoreCase);
            if (isTold && !name.Equals("dapr-api-token", StringComparison.OrdinalIgnoreCase)) Set(name.ToLowerInvariant(), value);
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
