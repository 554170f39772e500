using System.Runtime.CompilerServices;

namespace Saga.Tests.Deploy;

/// <summary>Files of this repository, by paths from its root.</summary>
internal static class Repository
{
    public static readonly string Root = RootOf();

    public static string PathOf(string path) => Path.Combine(Root, path);

    public static string Read(string path) => File.ReadAllText(PathOf(path));

    private static string RootOf([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));
}
