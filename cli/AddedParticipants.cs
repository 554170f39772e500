using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using Shop.Doctor;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Shop;

/// <summary>A participant that the shop does not know by name, from its entry in the run file.</summary>
internal sealed record AddedParticipant(string AppId, int Port, int SidecarPort, int SidecarHttpPort)
{
    /// <summary>As messages name its step.</summary>
    public string Name => $"{char.ToUpperInvariant(AppId[0])}{AppId[1..]}";

    /// <summary>Where its gRPC API is.</summary>
    public Option<string> Address => CommandLine.Address($"--{AppId}", Name, Port);

    public Option<string> Sidecar => CommandLine.Address($"--{AppId}-sidecar", $"{Name}'s sidecar", SidecarPort);

    public Option<string> SidecarHttp => CommandLine.Address($"--{AppId}-sidecar-http", $"{Name}'s sidecar, its HTTP API", SidecarHttpPort);
}

/// <summary>Finds the participants that were added to the shop.</summary>
internal static partial class AddedParticipants
{
    /// <summary>In the working directory, which ./shop makes that of the repository.</summary>
    private const string RunFile = "dapr.yaml";

    /// <summary>Those of the run file here. Empty: there is none, or it cannot be read, which whatever runs it will say.</summary>
    public static IReadOnlyList<AddedParticipant> Here { get; } = Find(RunFile);

    /// <summary>The apps of a run file that have the ports of a participant and are not the shop's own.</summary>
    public static IReadOnlyList<AddedParticipant> Find(string runFile)
    {
        try
        {
            return
            [
                .. YamlFile.ReadDocuments(runFile).Select(document => YamlFile.GetNode(document, "apps")).OfType<YamlSequenceNode>()
                    .SelectMany(apps => apps).OfType<YamlMappingNode>().Select(ToParticipant).OfType<AddedParticipant>().DistinctBy(app => app.AppId),
            ];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or YamlException)
        {
            return [];
        }
    }

    /// <returns>Null: it is none, or the option that would say where it is has another meaning for every command.</returns>
    private static AddedParticipant? ToParticipant(YamlMappingNode app)
    {
        int? Port(string name) => int.TryParse(YamlFile.GetText(app, name), CultureInfo.InvariantCulture, out var port) && port is > 0 and <= 65535 ? port : null;
        var id = YamlFile.GetText(app, "appID");
        return AppId().IsMatch(id) && id is not ("console" or "json" or "timeout") && !ShopClients.AppIds.Contains(id) && YamlFile.GetText(app, "appProtocol") is "" or "grpc"
            && (Port("appPort"), Port("daprGRPCPort"), Port("daprHTTPPort")) is ({ } port, { } sidecar, { } http)
                ? new(id, port, sidecar, http) : null;
    }

    /// <summary>As in Saga__Steps; one that begins with a letter can be an option.</summary>
    [GeneratedRegex(@"^[a-z][a-z0-9-]{0,31}\z")]
    private static partial Regex AppId();
}
