using System.Runtime.CompilerServices;
using System.Text;
using Shop;

namespace Integration.Cli;

/// <summary>Standard output, or standard error, of this process: each run of the command line in it writes to a writer of its own.</summary>
internal sealed class RunOutput(TextWriter other) : TextWriter
{
    public static readonly RunOutput Out = new(System.Console.Out), Error = new(System.Console.Error);

    private readonly AsyncLocal<TextWriter?> writer = new();

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>For what is written in this flow of control from now on.</summary>
    public void Set(TextWriter own) => writer.Value = own;

    public override void Write(char value) => (writer.Value ?? other).Write(value);

    public override void Write(string? value) => (writer.Value ?? other).Write(value);

    public override void Write(char[] buffer, int index, int count) => (writer.Value ?? other).Write(buffer, index, count);

    // The library for tables takes the output when it is first used.
#pragma warning disable CA2255
    [ModuleInitializer]
    internal static void Install()
    {
        System.Console.SetOut(Out);
        System.Console.SetError(Error);
        Terminal.Initialize();
    }
#pragma warning restore CA2255
}
