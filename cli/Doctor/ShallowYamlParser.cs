using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Shop.Doctor;

/// <summary>Refuses deep nesting, on which YamlDotNet's loader would overflow the stack and end the process.</summary>
internal sealed class ShallowYamlParser(TextReader text) : IParser
{
    /// <summary>Levels of mappings and sequences, at most. No file of Dapr has more than ten.</summary>
    private const int DepthMax = 64;

    private readonly Parser parser = new(text);
    private int depth;

    public ParsingEvent? Current => parser.Current;

    /// <exception cref="YamlException">It is nested too deep.</exception>
    public bool MoveNext()
    {
        if (!parser.MoveNext()) return false;
        var next = parser.Current!;
        depth += next.NestingIncrease;
        return depth <= DepthMax ? true : throw new YamlException(next.Start, next.End, $"it is nested more than {DepthMax} levels deep");
    }
}
