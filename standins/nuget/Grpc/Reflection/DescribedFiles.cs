using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace Grpc.Reflection;

/// <summary>The proto files behind a set of services, and where each symbol is declared.</summary>
internal sealed class DescribedFiles
{
    /// <summary>A resource that an assembly may have beside its generated code: its files with their comments, as protoc describes them.</summary>
    private const string WithComments = "protos.pb";

    private readonly Dictionary<string, ByteString> commented = [];
    private readonly Dictionary<string, FileDescriptor> byName = [];
    private readonly Dictionary<string, FileDescriptor> bySymbol = [];
    private readonly Dictionary<(string Type, int Number), FileDescriptor> byExtension = [];

    public DescribedFiles(IEnumerable<ServiceDescriptor> services)
    {
        foreach (var service in services)
        {
            Add(service.File);
        }
    }

    public FileDescriptor? ByName(string name) => byName.GetValueOrDefault(name);

    public FileDescriptor? BySymbol(string symbol) => bySymbol.GetValueOrDefault(symbol);

    public FileDescriptor? ByExtension(string type, int number) => byExtension.GetValueOrDefault((type, number));

    /// <returns>Null when there is no such message.</returns>
    public IEnumerable<int>? ExtensionNumbers(string type) => bySymbol.ContainsKey(type)
        ? byExtension.Keys.Where(extension => extension.Type == type).Select(extension => extension.Number).Order()
        : null;

    /// <summary>The file itself, then all it depends on.</summary>
    public IEnumerable<ByteString> WithDependencies(FileDescriptor file)
    {
        var seen = new HashSet<string> { file.Name };
        var files = new Queue<FileDescriptor>([file]);
        while (files.TryDequeue(out var next))
        {
            yield return commented.GetValueOrDefault(next.Name, next.SerializedData);
            foreach (var dependency in next.Dependencies.Where(dependency => seen.Add(dependency.Name)))
            {
                files.Enqueue(dependency);
            }
        }
    }

    private void Add(FileDescriptor file)
    {
        if (!byName.TryAdd(file.Name, file))
        {
            return;
        }

        foreach (var dependency in file.Dependencies)
        {
            Add(dependency);
        }

        AddComments(file);
        foreach (var service in file.Services)
        {
            Declare(service);
            foreach (var method in service.Methods)
            {
                Declare(method);
            }
        }

        foreach (var message in file.MessageTypes)
        {
            Add(message);
        }

        foreach (var enumeration in file.EnumTypes)
        {
            Add(enumeration);
        }

        Add(file.Extensions);
    }

    private void Add(MessageDescriptor message)
    {
        Declare(message);
        foreach (var field in message.Fields.InDeclarationOrder())
        {
            Declare(field);
        }

        foreach (var oneof in message.Oneofs)
        {
            Declare(oneof);
        }

        foreach (var nested in message.NestedTypes)
        {
            Add(nested);
        }

        foreach (var enumeration in message.EnumTypes)
        {
            Add(enumeration);
        }

        Add(message.Extensions);
    }

    private void Add(EnumDescriptor enumeration)
    {
        Declare(enumeration);
        foreach (var value in enumeration.Values)
        {
            Declare(value);
        }
    }

    private void Add(ExtensionCollection? extensions)
    {
        foreach (var extension in extensions?.UnorderedExtensions ?? [])
        {
            Declare(extension);
            byExtension[(extension.ExtendeeType.FullName, extension.FieldNumber)] = extension.File;
        }
    }

    private void AddComments(FileDescriptor file)
    {
        if (!commented.ContainsKey(file.Name)
            && file.MessageTypes.FirstOrDefault()?.ClrType.Assembly.GetManifestResourceStream(WithComments) is { } resource)
        {
            using (resource)
            {
                foreach (var whole in FileDescriptorSet.Parser.ParseFrom(resource).File)
                {
                    commented[whole.Name] = whole.ToByteString();
                }
            }
        }
    }

    private void Declare(IDescriptor symbol) => bySymbol[symbol.FullName] = symbol.File;
}
