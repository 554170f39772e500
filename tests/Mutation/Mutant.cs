using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Saga.Tests;

/// <summary>Compiles the product and the simulator again, with one source file changed, and runs the search in the result.</summary>
internal static class Mutant
{
    public static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "../.."));

    /// <summary>Where the build of Mutants.csproj has left the input of its compilation.</summary>
    private static readonly string Input = Path.Combine(
        Root, "artifacts/obj/Mutants", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)));

    private static readonly CSharpParseOptions Language = new(LanguageVersion.Latest);

    private static readonly Lazy<CSharpCompilation> Product = new(() => CSharpCompilation.Create(
        "Mutants",
        File.ReadLines(Path.Combine(Input, "sources.txt"))
            .Concat(Directory.EnumerateFiles(Path.Combine(Input, "generated"), "*.cs", SearchOption.AllDirectories))
            .Select(file => Parse(Path.GetFullPath(file), File.ReadAllText(file))),
        File.ReadLines(Path.Combine(Input, "references.txt")).Select(file => MetadataReference.CreateFromFile(file)),
        new(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release, nullableContextOptions: NullableContextOptions.Enable)));

    /// <param name="file">The changed file, in full. Null: nothing is changed.</param>
    /// <returns>What <see cref="Search.Run"/> found. Null: the mutant survived.</returns>
    public static string? Search(string? file, string text, int seeds)
    {
        var compilation = Product.Value;
        if (file is not null) compilation = compilation.ReplaceSyntaxTree(compilation.SyntaxTrees.Single(tree => tree.FilePath == file), Parse(file, text));
        using var assembly = new MemoryStream();
        var emitted = compilation.Emit(assembly);
        Assert.True(emitted.Success, string.Join('\n', emitted.Diagnostics.Where(problem => problem.Severity == DiagnosticSeverity.Error)));
        assembly.Position = 0;
        var context = new AssemblyLoadContext("mutant", isCollectible: true);
        try
        {
            var search = context.LoadFromStream(assembly).GetType(typeof(Search).FullName!)!.GetMethod(nameof(Tests.Search.Run))!;
            return (string?)search.Invoke(null, [seeds]);
        }
        finally
        {
            context.Unload();
        }
    }

    private static SyntaxTree Parse(string file, string text) => CSharpSyntaxTree.ParseText(SourceText.From(text, System.Text.Encoding.UTF8), Language, file);

    private static string ThisFile([CallerFilePath] string here = "") => here;
}
