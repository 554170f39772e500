using Grpc.Core;

namespace Shop;

/// <summary>Reads a list page by page.</summary>
internal static class Pages
{
    /// <param name="read">From a page token, which is empty for the first page.</param>
    /// <param name="next">The token of the page after; empty: there is none.</param>
    public static async IAsyncEnumerable<T> OfAsync<T>(Func<string, AsyncUnaryCall<T>> read, Func<T, string> next)
    {
        for (var token = ""; ;)
        {
            var page = await read(token);
            yield return page;
            if ((token = next(page)).Length == 0) yield break;
        }
    }
}
