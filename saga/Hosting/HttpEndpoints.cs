using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Saga.Hosting;

/// <summary>What the HTTP APIs of the services have in common.</summary>
internal static class HttpEndpoints
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Lets an endpoint of GET answer HEAD too, with the same headers and no body.</summary>
    public static T WithHead<T>(this T get) where T : IEndpointConventionBuilder => get.WithMetadata(new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head]));

    /// <summary>A request counts as one in progress while its body comes, so that slow ones must not keep the others out.</summary>
    private static readonly TimeSpan BodyTimeout = TimeSpan.FromSeconds(10);

    /// <summary>The whole body as text.</summary>
    /// <exception cref="DecoderFallbackException">It is not UTF-8.</exception>
    /// <exception cref="BadHttpRequestException">It is larger than the endpoint allows, broken off, or too slow.</exception>
    public static async Task<string> ReadTextAsync(this HttpRequest http, CancellationToken ct)
    {
        using var body = new MemoryStream();
        using var timeout = new CancellationTokenSource(BodyTimeout, http.HttpContext.RequestServices.GetRequiredService<TimeProvider>());
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            await http.Body.CopyToAsync(body, limit.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            throw new BadHttpRequestException($"The body did not come within {BodyTimeout.TotalSeconds:0} s.", StatusCodes.Status408RequestTimeout);
        }
        catch (IOException broken) when (broken is not BadHttpRequestException && !ct.IsCancellationRequested)
        {
            // Such as a chunk with a size that is no number.
            throw new BadHttpRequestException($"The body cannot be read: {broken.Message}", broken);
        }
        return StrictUtf8.GetString(body.GetBuffer().AsSpan(0, (int)body.Length));
    }
}
