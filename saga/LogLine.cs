using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Saga;

/// <summary>How a line of the log looks on a console: when, how bad, whose, what; then the order, unless the text names it, and the trace.</summary>
/// <remarks>One line even for an exception, so that a grep for an order or a trace finds all of it.</remarks>
internal sealed class SingleLineFormatter() : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "line";

    private const string FormatterSetting = "Logging:Console:FormatterName", FormatterOptions = "Logging:Console:FormatterOptions";

    private static readonly Dictionary<string, string?> Defaults = new()
    {
        [FormatterSetting] = FormatterName,
        // For the formatters of .NET, such as json: there the trace is among the scopes.
        [$"{FormatterOptions}:IncludeScopes"] = "true",
        [$"{FormatterOptions}:UseUtcTimestamp"] = "true",
        [$"{FormatterOptions}:TimestampFormat"] = "yyyy-MM-ddTHH:mm:ss.fffZ",
        ["Logging:LogLevel:Microsoft"] = "Warning",
        ["Logging:LogLevel:Microsoft.Hosting.Lifetime"] = "Information",
        // Where no trace is kept, the host need not begin one for each request in order to log it.
        ["Logging:LogLevel:Microsoft.AspNetCore.Hosting.Diagnostics"] = "None",
        // Said once, in a sentence, by RunToExitAsync.
        ["Logging:LogLevel:Microsoft.Extensions.Hosting.Internal.Host"] = "None",
        // A status that a call is answered with is an answer, not an event; what matters of it is in the catalogues.
        ["Logging:LogLevel:Grpc"] = "Warning",
        // Not being ready is an answer, not an error.
        ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",
    };

    /// <summary>Logs so, unless the configuration (section Logging) says otherwise.</summary>
    public static void Add(WebApplicationBuilder builder)
    {
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new MemoryConfigurationSource { InitialData = Defaults });
        builder.Logging.AddConsole().AddConsoleFormatter<SingleLineFormatter, ConsoleFormatterOptions>();
        // The builder has chosen one in code, over any setting.
        builder.Services.PostConfigure<ConsoleLoggerOptions>(console => console.FormatterName = builder.Configuration[FormatterSetting]);
    }

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        textWriter.Write($"{DateTime.Now:HH:mm:ss.fff} {Short(logEntry.LogLevel)}: {logEntry.Category}[{logEntry.EventId.Id}] ");
        textWriter.Write(OnOneLine(text));
        if (logEntry.Exception is { } fault) textWriter.Write($" {OnOneLine(fault.ToString())}");
        if (SagaTracing.OrderId is { } order && !text.Contains(order, StringComparison.Ordinal)) textWriter.Write($" order={order}");
        if (SagaTracing.TraceId is { } trace) textWriter.Write($" trace={trace}");
        textWriter.WriteLine();
    }

    private static string OnOneLine(string text) => text.Contains('\n')
        ? string.Join(' ', text.Split('\n', StringSplitOptions.TrimEntries))
        : text;

    private static string Short(LogLevel level) => level switch
    {
        LogLevel.Trace => "trce",
        LogLevel.Debug => "dbug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        LogLevel.Error => "fail",
        LogLevel.Critical or LogLevel.None => "crit",
    };
}
