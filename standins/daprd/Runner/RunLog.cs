using System.Globalization;

namespace Daprd.Runner;

/// <summary>Writes the output of one app to the console and to a file in the app's folder, and that of its sidecar to another file.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly TextWriter appFile;
    private readonly TextWriter sidecarFile;
    private readonly string appId;
    private readonly PrefixedConsole console;

    public RunLog(RunApp app, PrefixedConsole console, DateTime now)
    {
        this.console = console;
        appId = app.AppId;
        var folder = Directory.CreateDirectory(Path.Combine(app.Folder, ".dapr", "logs")).FullName;
        var stamp = now.ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        appFile = Open(folder, $"{appId}_app_{stamp}.log");
        sidecarFile = Open(folder, $"{appId}_daprd_{stamp}.log");
        Sidecar = new SidecarLog(appId, sidecarFile);
    }

    public SidecarLog Sidecar { get; }

    public void App(string line)
    {
        appFile.WriteLine(line);
        console.App(appId, line);
    }

    public void Dispose()
    {
        appFile.Dispose();
        sidecarFile.Dispose();
    }

    private static TextWriter Open(string folder, string name) => TextWriter.Synchronized(
        new StreamWriter(new FileStream(Path.Combine(folder, name), FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
}
