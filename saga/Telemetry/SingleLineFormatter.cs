using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.Memory;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Saga.Telemetry;

/// <summary>Console format of the log: time, level, category, text; then the order, unless the text contains it, and the trace.</summary>
/// <remarks>An exception is on the same line, so that a grep for an order or a trace finds all of it.</remarks>
internal sealed class SingleLineFormatter(TimeProvider clock) : ConsoleFormatter(FormatterName)
{
    public const string FormatterName = "line";

    private const string FormatterSetting = "Logging:Console:FormatterName", FormatterOptions = "Logging:Console:FormatterOptions";

    private static readonly Dictionary<string, string?> Defaults = new()
    {
        [FormatterSetting] = FormatterName,
        // For .NET's own formatters, such as json: they have the trace in the scopes.
        [$"{FormatterOptions}:IncludeScopes"] = "true",
        [$"{FormatterOptions}:UseUtcTimestamp"] = "true",
        [$"{FormatterOptions}:TimestampFormat"] = "yyyy-MM-ddTHH:mm:ss.fffZ",
        ["Logging:LogLevel:Microsoft"] = "Warning",
        ["Logging:LogLevel:Microsoft.Hosting.Lifetime"] = "Information",
        // Otherwise the host starts an activity for every request, traced or not.
        ["Logging:LogLevel:Microsoft.AspNetCore.Hosting.Diagnostics"] = "None",
        // RunToExitAsync reports a failed start in one sentence.
        ["Logging:LogLevel:Microsoft.Extensions.Hosting.Internal.Host"] = "None",
        // The status of a call is an answer; what is worth a line has one of its own.
        ["Logging:LogLevel:Grpc"] = "Warning",
        // Not being ready is an answer, not an error.
        ["Logging:LogLevel:Microsoft.Extensions.Diagnostics.HealthChecks"] = "None",
    };

    /// <summary>The default, which the Logging section of the configuration overrides.</summary>
    public static void Add(WebApplicationBuilder builder)
    {
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new MemoryConfigurationSource { InitialData = Defaults });
        builder.Logging.AddConsole().AddConsoleFormatter<SingleLineFormatter, ConsoleFormatterOptions>();
        // The slim builder sets its formatter in code, over any setting.
        builder.Services.PostConfigure<ConsoleLoggerOptions>(console =>
        {
            console.FormatterName = builder.Configuration[FormatterSetting];
            // A reader of the output that stalls would otherwise stop every handler that logs, and then the probes of the sidecar. .NET says how many
            // lines were dropped.
            (console.QueueFullMode, console.MaxQueueLength) = (ConsoleLoggerQueueFullMode.DropWrite, 10_000);
        });
    }

    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        var text = logEntry.Formatter(logEntry.State, logEntry.Exception);
        textWriter.Write($"{clock.GetLocalNow():HH:mm:ss.fff} {Short(logEntry.LogLevel)}: {logEntry.Category}[{logEntry.EventId.Id}] ");
        textWriter.Write(OnOneLine(text));
        if (logEntry.Exception is { } fault) textWriter.Write($" {OnOneLine(fault.ToString())}");
        if (SagaTracing.OrderId is { } order && !text.Contains(order, StringComparison.Ordinal)) textWriter.Write($" order={order}");
        if (SagaTracing.TraceId is { } trace) textWriter.Write($" trace={trace}");
        textWriter.WriteLine();
    }

    /// <summary>The lines of a text joined by spaces. What a terminal would take for a command or for a line break is shown as its code.</summary>
    private static string OnOneLine(string text)
    {
        if (text.Contains('\n')) text = string.Join(' ', text.Split('\n', StringSplitOptions.TrimEntries));
        return text.Any(IsUnsafe) ? string.Concat(text.Select(letter => IsUnsafe(letter) ? $"\\u{(int)letter:x4}" : $"{letter}")) : text;
    }

    private static bool IsUnsafe(char letter) => char.GetUnicodeCategory(letter)
        is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

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
