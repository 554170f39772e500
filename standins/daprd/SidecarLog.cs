using System.Globalization;

namespace Daprd;

/// <summary>Log lines in daprd's format.</summary>
internal sealed class SidecarLog(string appId, TextWriter writer)
{
    private readonly Lock gate = new();

    public void Info(string text) => Write("info", text);

    public void Warn(string text) => Write("warning", text);

    public void Error(string text) => Write("error", text);

    private void Write(string level, string text)
    {
        var time = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
        var message = text.Replace("\\", "\\\\").Replace("\"", "\\\"").ReplaceLineEndings("\\n");
        lock (gate)
        {
            writer.WriteLine($"time=\"{time}\" level={level} msg=\"{message}\" app_id={appId}");
            writer.Flush();
        }
    }
}
