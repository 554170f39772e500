using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Saga;
using Stock;

namespace Traces;

/// <summary>A service that makes one step at each request, with settings as its environment could have them.</summary>
internal sealed class TracedHost : IAsyncDisposable
{
    public const string OrderId = "0198c0de-0000-7000-8000-000000000009", Step = "reserve stock", Path = "/reserve";

    private readonly WebApplication app;
    private readonly int port;
    private readonly Lines lines = new();

    private TracedHost(string[] settings)
    {
        port = FreePort.Take();
        var builder = SagaHost.CreateBuilder(
            ["--OTEL_BSP_SCHEDULE_DELAY=50", "--OTEL_METRIC_EXPORT_INTERVAL=100", "--Saga:DrainDelay=0s", .. settings.Select(setting => $"--{setting}")],
            "stock", FreePort.Take(), StockJsonContext.Default);
        builder.ListenHttp("HTTP_PORT", port);
        builder.Logging.AddProvider(lines);
        app = builder.Build();
        app.MapGet(Path, () =>
        {
            using var step = SagaTracing.Start(Step, OrderId);
            return step?.TraceId.ToHexString() ?? "";
        });
        app.MapMetrics();
    }

    /// <summary>What was logged: the name of each line's event, and its text.</summary>
    public IReadOnlyCollection<(string? Event, string Text)> Logged => lines.Logged;

    /// <summary>Null: no spans are made.</summary>
    public TracerProvider? Traces => app.Services.GetService<TracerProvider>();

    /// <summary>Null: nothing is counted.</summary>
    public MeterProvider? Metrics => app.Services.GetService<MeterProvider>();

    public static async Task<TracedHost> StartAsync(params string[] settings)
    {
        var host = new TracedHost(settings);
        try
        {
            await host.app.StartAsync();
            return host;
        }
        catch
        {
            // It would listen to the exporters of the next test.
            await host.app.DisposeAsync();
            throw;
        }
    }

    /// <summary>A request with these lines as its header, in their order.</summary>
    /// <returns>The whole answer.</returns>
    public async Task<string> AskAsync(string path, params string[] headers)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, port);
        await using var stream = connection.GetStream();
        await using var writer = new StreamWriter(stream) { NewLine = "\r\n" };
        foreach (var line in (string[])[$"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", .. headers, ""]) await writer.WriteLineAsync(line);
        await writer.FlushAsync();
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<(string? Event, string Text)> Logged { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) Logged.Enqueue((eventId.Name, formatter(state, exception)));
        }

        public void Dispose()
        {
        }
    }
}
