using System.Runtime.CompilerServices;

namespace Saga.Tests.Deploy;

/// <summary>Files of this repository, by paths from its root.</summary>
internal static class Repository
{
    public static readonly string Root = RootOf();

    public static string PathOf(string path) => Path.Combine(Root, path);

    /// <summary>The path from the root, without any '..'.</summary>
    public static string GetName(string path) => Path.GetRelativePath(Root, PathOf(path));

    /// <summary>The files below a folder, by their paths from the root.</summary>
    public static IEnumerable<string> FilesBelow(string folder) =>
        Directory.EnumerateFiles(PathOf(folder), "*", SearchOption.AllDirectories).Select(GetName);

    public static string Read(string path) => File.ReadAllText(PathOf(path));

    private static string RootOf([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));
}
