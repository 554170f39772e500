using System.Collections;
using Dapr.AppCallback.Autogen.Grpc.v1;
using Dapr.Client.Autogen.Grpc.v1;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shop.V1;

namespace Integration.Cli;

/// <summary>
/// All four services and their sidecars at one address. Each string of each response is the same text; calls of GetProduct fail with it.
/// </summary>
internal sealed class ScriptedShop : IAsyncDisposable
{
    private const int DepthMax = 6;

    private static readonly Dictionary<string, MethodDescriptor> Methods = new[]
        {
            OrdersReflection.Descriptor, StockReflection.Descriptor, PaymentsReflection.Descriptor, CouponsReflection.Descriptor,
            DeadLettersReflection.Descriptor, DaprReflection.Descriptor, AppcallbackReflection.Descriptor,
        }
        .SelectMany(file => file.Services).SelectMany(service => service.Methods)
        .ToDictionary(method => $"/{method.Service.FullName}/{method.Name}");

    private readonly WebApplication app;

    private ScriptedShop(WebApplication app) => this.app = app;

    /// <summary>The options that name its address.</summary>
    /// <summary>The options of the doctor that name its address as that of the sidecars.</summary>
    public IEnumerable<string> SidecarOptions =>
        ((string[])["--orders-sidecar", "--stock-sidecar", "--payments-sidecar", "--coupons-sidecar"]).SelectMany(name => new[] { name, app.Urls.Single() });

    public IEnumerable<string> Options => ((string[])["--orders", "--stock", "--payments", "--coupons"]).SelectMany(name => new[] { name, app.Urls.Single() });

    public static async Task<ScriptedShop> StartAsync(string text)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0")
            .ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(at => at.Protocols = HttpProtocols.Http2));
        builder.Services.AddLogging(logging => logging.ClearProviders());
        var app = builder.Build();
        app.Run(context => AnswerAsync(context, text));
        await app.StartAsync();
        return new(app);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private static async Task AnswerAsync(HttpContext context, string text)
    {
        context.Response.ContentType = "application/grpc";
        if (!Methods.TryGetValue(context.Request.Path, out var method) || method.Name == "GetProduct")
        {
            context.Response.AppendTrailer("grpc-status", "9");
            context.Response.AppendTrailer("grpc-message", Uri.EscapeDataString(text));
            return;
        }
        var message = Create(method.OutputType, text, DepthMax).ToByteArray();
        byte[] prefix = [0, (byte)(message.Length >> 24), (byte)(message.Length >> 16), (byte)(message.Length >> 8), (byte)message.Length];
        await context.Response.Body.WriteAsync((byte[])[.. prefix, .. message]);
        context.Response.AppendTrailer("grpc-status", "0");
    }

    private static IMessage Create(MessageDescriptor type, string text, int depth)
    {
        if (type == Timestamp.Descriptor) return new Timestamp { Seconds = 1_800_000_000 };
        if (type == Duration.Descriptor) return new Duration { Seconds = 3 };
        var message = type.Parser.ParseFrom(ByteString.Empty);
        foreach (var field in type.Fields.InDeclarationOrder().Where(field => field.Name != "next_page_token" && !field.IsMap))
        {
            if (field.FieldType == FieldType.Message && depth == 0) continue;
            object Enum(int number) => System.Enum.ToObject(field.EnumType.ClrType, number);
            object value = field.FieldType switch
            {
                FieldType.String => text,
                FieldType.Bytes => ByteString.CopyFromUtf8(text),
                FieldType.Bool => true,
                FieldType.Enum => Enum(field.EnumType.Values[1].Number),
                FieldType.Message => Create(field.MessageType, text, depth - 1),
                FieldType.Int32 => 3,
                FieldType.Int64 => 3L,
                _ => throw new NotSupportedException(field.FullName),
            };
            if (field.IsRepeated) ((IList)field.Accessor.GetValue(message)).Add(value);
            else field.Accessor.SetValue(message, value);
        }
        return message;
    }
}
