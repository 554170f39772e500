using System.Reflection;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace StandIns.GrpcTests;

/// <summary>What the packages show to a program that references them, a line for each type and each member, sorted.</summary>
internal static class PublicSurface
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(int)] = "int", [typeof(long)] = "long",
        [typeof(object)] = "object", [typeof(string)] = "string", [typeof(void)] = "void",
    };

    public static IEnumerable<string> Of(IEnumerable<Assembly> assemblies) => assemblies
        .Distinct()
        .SelectMany(assembly => assembly.GetTypes())
        .Where(type => IsShown(type) && !IsGenerated(type))
        .SelectMany(type => Members(type).Prepend(Declaration(type)))
        .Distinct()
        .Order(StringComparer.Ordinal);

    private static bool IsShown(Type type) => type.IsNested
        ? (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsShown(type.DeclaringType!)
        : type.IsPublic;

    /// <summary>What protoc makes of the protos is as official as the protos are.</summary>
    private static bool IsGenerated(Type type) =>
        type.Namespace is "Grpc.Health.V1" or "Grpc.Reflection.V1" or "Grpc.Reflection.V1Alpha"
        || type.Namespace!.Contains(".Autogen.", StringComparison.Ordinal)
        || typeof(IMessage).IsAssignableFrom(type)
        || type.GetProperties(Declared).Any(property => property.PropertyType == typeof(FileDescriptor));

    private static string Declaration(Type type)
    {
        var kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => "struct",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            _ when type.IsSubclassOf(typeof(Delegate)) => "delegate",
            { IsSealed: true } => "sealed class",
            _ => "class",
        };
        return $"{Name(type, full: true)} : {kind}";
    }

    private static IEnumerable<string> Members(Type type)
    {
        var owner = Name(type, full: true);
        if (type.IsSubclassOf(typeof(Delegate)))
        {
            var invoke = type.GetMethod("Invoke")!;
            return [$"{owner}({Parameters(invoke)}) : {Name(invoke.ReturnType)}"];
        }

        return type.GetMembers(Declared).Select(member => member switch
        {
            FieldInfo { IsSpecialName: false } field when field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly =>
                $"{owner}.{field.Name} : {Name(field.FieldType)}",
            ConstructorInfo { IsStatic: false } constructor when IsShown(constructor) =>
                $"{owner}.new({Parameters(constructor)})",
            PropertyInfo property when property.GetAccessors(nonPublic: true).Any(IsShown) =>
                $"{owner}.{Property(property)} : {Name(property.PropertyType)}",
            MethodInfo { IsSpecialName: false } method when IsShown(method) =>
                $"{owner}.{method.Name}{Generic(method)}({Parameters(method)}) : {Name(method.ReturnType)}",
            _ => null,
        }).OfType<string>();
    }

    private static bool IsShown(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Property(PropertyInfo property)
    {
        var index = property.GetIndexParameters();
        var name = index.Length == 0 ? property.Name : $"this[{string.Join(", ", index.Select(i => Name(i.ParameterType)))}]";
        var get = property.GetMethod is { } getter && IsShown(getter) ? " get;" : "";
        var set = property.SetMethod is { } setter && IsShown(setter) ? " set;" : "";
        return $"{name} {{{get}{set} }}";
    }

    private static string Generic(MethodInfo method) =>
        method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(argument => argument.Name))}>" : "";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(parameter =>
        $"{Name(parameter.ParameterType)} {parameter.Name}{(parameter.IsOptional ? " = default" : "")}"));

    private static string Name(Type type, bool full = false)
    {
        if (Keywords.TryGetValue(type, out var keyword))
        {
            return keyword;
        }

        if (type.IsArray)
        {
            return Name(type.GetElementType()!) + "[]";
        }

        if (Nullable.GetUnderlyingType(type) is { } underlying)
        {
            return Name(underlying) + "?";
        }

        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        var name = type.Name.Split('`')[0];
        var outer = type.IsNested ? Name(type.DeclaringType!, full) + "." : full ? type.Namespace + "." : "";
        var inherited = type.DeclaringType?.GetGenericArguments().Length ?? 0;
        var arguments = type.GetGenericArguments().Skip(inherited).Select(argument => Name(argument)).ToArray();
        return outer + name + (arguments.Length == 0 ? "" : $"<{string.Join(", ", arguments)}>");
    }
}
