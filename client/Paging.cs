using Grpc.Core;

namespace Shop;

/// <summary>Reads a list page by page.</summary>
public static class Paging
{
    /// <summary>Reads all pages, one call at a time, as they are enumerated.</summary>
    /// <param name="read">Reads the page of a token; the token of the first page is empty.</param>
    /// <param name="getNextToken">The token of the next page; empty on the last page.</param>
    /// <exception cref="RpcException">A call failed; thrown by the enumeration.</exception>
    public static async IAsyncEnumerable<T> ReadPagesAsync<T>(Func<string, AsyncUnaryCall<T>> read, Func<T, string> getNextToken)
    {
        for (var token = ""; ;)
        {
            var page = await read(token);
            yield return page;
            if ((token = getNextToken(page)).Length == 0) yield break;
        }
    }
}
