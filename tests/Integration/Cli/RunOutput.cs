using System.Text;
using Shop;

namespace Integration.Cli;

/// <summary>Standard output, or standard error, of this process: each run of the command line in it writes to a writer of its own.</summary>
internal sealed class RunOutput(TextWriter other) : TextWriter
{
    private static readonly Lazy<(RunOutput Out, RunOutput Error)> Installed = new(Install);

    private readonly AsyncLocal<TextWriter?> writer = new();

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>Redirects what is written in this flow of control from now on.</summary>
    public static void Redirect(TextWriter output, TextWriter error)
    {
        Installed.Value.Out.writer.Value = output;
        Installed.Value.Error.writer.Value = error;
    }

    public override void Write(char value) => (writer.Value ?? other).Write(value);

    public override void Write(string? value) => (writer.Value ?? other).Write(value);

    public override void Write(char[] buffer, int index, int count) => (writer.Value ?? other).Write(buffer, index, count);

    /// <summary>Before the first run: the library for tables takes the output when it is first used.</summary>
    private static (RunOutput Out, RunOutput Error) Install()
    {
        var (all, errors) = (new RunOutput(System.Console.Out), new RunOutput(System.Console.Error));
        System.Console.SetOut(all);
        System.Console.SetError(errors);
        Terminal.Initialize();
        return (all, errors);
    }
}
