using System.Diagnostics;

namespace Daprd.Tracing;

/// <summary>One span, or only the propagated context if no spans are created.</summary>
/// <param name="context">The context that outgoing calls carry.</param>
internal readonly struct Span(Activity? activity, TraceContext context) : IDisposable
{
    public TraceContext Context => context.Parent is null ? TraceContext.None : context;

    public void Fail(string why) => activity?.SetStatus(ActivityStatusCode.Error, why);

    public void Dispose() => activity?.Dispose();
}
