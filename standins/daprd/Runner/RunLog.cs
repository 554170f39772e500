using System.Globalization;
using System.Text;

namespace Daprd.Runner;

/// <summary>Writes the output of one app and its sidecar to the console, to a file in the app's folder, or both.</summary>
internal sealed class RunLog : IDisposable
{
    private readonly StreamWriter? appFile;
    private readonly StreamWriter? sidecarFile;
    private readonly RunApp app;
    private readonly PrefixedConsole console;

    public RunLog(RunApp app, PrefixedConsole console, DateTime now)
    {
        this.app = app;
        this.console = console;
        var folder = Path.Combine(app.Folder, ".dapr", "logs");
        Directory.CreateDirectory(folder);
        var stamp = now.ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        if (app.AppLog != LogDestination.Console) appFile = Open(folder, $"{app.AppId}_app_{stamp}.log");
        if (app.SidecarLog != LogDestination.Console) sidecarFile = Open(folder, $"{app.AppId}_daprd_{stamp}.log");
        var writers = new List<TextWriter>();
        if (sidecarFile is not null) writers.Add(sidecarFile);
        if (app.SidecarLog != LogDestination.File) writers.Add(new Lines(text => console.Sidecar(app.AppId, text)));
        Sidecar = new SidecarLog(app.AppId, [.. writers]);
    }

    public SidecarLog Sidecar { get; }

    /// <summary>Empty if the output goes to the console only.</summary>
    public string AppFile => PathOf(appFile);

    /// <inheritdoc cref="AppFile"/>
    public string SidecarFile => PathOf(sidecarFile);

    public void App(string line)
    {
        if (appFile is not null)
        {
            lock (appFile)
            {
                appFile.WriteLine(line);
                appFile.Flush();
            }
        }

        if (app.AppLog != LogDestination.File) console.App(app.AppId, line);
    }

    public void Dispose()
    {
        appFile?.Dispose();
        sidecarFile?.Dispose();
    }

    private static string PathOf(StreamWriter? file) => (file?.BaseStream as FileStream)?.Name ?? "";

    private static StreamWriter Open(string folder, string name) =>
        new(new FileStream(Path.Combine(folder, name), FileMode.Append, FileAccess.Write, FileShare.ReadWrite));

    private sealed class Lines(Action<string> write) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void WriteLine(string? value) => write(value ?? "");
    }
}
