using System.Globalization;

namespace Daprd;

internal enum LogLevel
{
    Info,
    Warning,
    Error,
}

/// <summary>Log lines in daprd's format, to any number of writers.</summary>
internal sealed class SidecarLog(string appId, params TextWriter[] writers)
{
    private readonly Lock gate = new();

    public void Info(string text) => Write(LogLevel.Info, text);

    public void Warn(string text) => Write(LogLevel.Warning, text);

    public void Error(string text) => Write(LogLevel.Error, text);

    private void Write(LogLevel level, string text)
    {
        var time = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
        var message = text.Replace("\\", "\\\\").Replace("\"", "\\\"").ReplaceLineEndings("\\n");
        var line = $"time=\"{time}\" level={level.ToString().ToLowerInvariant()} msg=\"{message}\" app_id={appId}";
        lock (gate)
        {
            foreach (var writer in writers)
            {
                writer.WriteLine(line);
                writer.Flush();
            }
        }
    }
}
