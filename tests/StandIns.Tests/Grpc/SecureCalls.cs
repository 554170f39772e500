using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using StandIns.Interop;

namespace StandIns.GrpcTests;

public class SecureCalls
{
    [Fact]
    public async Task A_call_goes_over_TLS_where_the_certificate_is_trusted_and_not_where_it_is_not()
    {
        using var certificate = SelfSigned();
        await using var server = await TestServer.StartAsync(services: services => services.PostConfigure<KestrelServerOptions>(
            kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate))));
        var address = new UriBuilder(server.Addresses.Last()) { Scheme = Uri.UriSchemeHttps }.Uri;
        var trusting = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => certificate.Equals(shown) } };
        using var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = trusting, DisposeHttpClient = true });
        using var wary = GrpcChannel.ForAddress(address);

        Assert.Equal(new Nothing(), await new Interop.Interop.InteropClient(channel).EmptyAsync(new Nothing()));
        var e = await Assert.ThrowsAsync<RpcException>(async () => await new Interop.Interop.InteropClient(wary).EmptyAsync(new Nothing()));
        Assert.NotEqual(StatusCode.OK, e.StatusCode);
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
