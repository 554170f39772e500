using System.Diagnostics;
using System.Globalization;

namespace Grpc.Net.Client.Http2;

/// <summary>A call in a trace, as HttpClient tells of its requests: who listens to those hears of these.</summary>
internal static class CallActivity
{
    private static readonly ActivitySource Source = new("System.Net.Http");

    /// <summary>Adds to the request where in a trace it is.</summary>
    /// <returns>Null: nobody listens.</returns>
    public static Activity? Start(Uri address, ref RequestHead head)
    {
        var parent = Activity.Current;
        var activity = Source.HasListeners() ? Source.StartActivity("System.Net.Http.HttpRequestOut", ActivityKind.Client) : null;
        Activity.Current = parent;
        if (activity is { IsAllDataRequested: true })
        {
            activity.DisplayName = "POST";
            activity.SetTag("http.request.method", "POST");
            activity.SetTag("server.address", address.Host);
            activity.SetTag("server.port", address.Port);
            activity.SetTag("url.full", new Uri(address, head.Path).AbsoluteUri);
        }

        if ((activity ?? parent) is { } context)
        {
            var trace = new List<(string Name, string Value)>();
            var given = head.Metadata;
            DistributedContextPropagator.Current.Inject(context, trace, (_, name, value) =>
            {
                if (given?.Get(name) is null)
                {
                    trace.Add((name.ToLowerInvariant(), value));
                }
            });
            head = head with { Trace = trace };
        }

        return activity;
    }

    public static void Stop(Activity activity, Fields headers, Exception? fault)
    {
        if (activity.IsAllDataRequested)
        {
            if (headers.Status != 0)
            {
                activity.SetTag("http.response.status_code", headers.Status);
                activity.SetTag("network.protocol.version", "2");
            }

            var error = fault?.GetType().FullName ?? (headers.Status >= 400 ? headers.Status.ToString(CultureInfo.InvariantCulture) : null);
            if (error is not null)
            {
                activity.SetTag("error.type", error);
                activity.SetStatus(ActivityStatusCode.Error, fault?.Message);
            }
        }

        // A call may end anywhere, and whatever is current there stays so.
        var current = Activity.Current;
        activity.Stop();
        Activity.Current = current;
    }
}
