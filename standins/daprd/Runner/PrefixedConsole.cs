namespace Daprd.Runner;

/// <summary>The output of the runner: whole lines, synchronized.</summary>
internal sealed class PrefixedConsole(TextWriter output)
{
    private readonly Lock gate = new();

    public void App(string appId, string text) => Write($"== APP - {appId} == {text}");

    public void Dapr(string text) => Write($"== DAPR == {text}");

    private void Write(string line)
    {
        lock (gate)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }
}
