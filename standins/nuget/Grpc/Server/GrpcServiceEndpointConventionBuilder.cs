namespace Microsoft.AspNetCore.Builder;

/// <summary>Conventions for all methods of one service.</summary>
public sealed class GrpcServiceEndpointConventionBuilder : IEndpointConventionBuilder
{
    private readonly IReadOnlyList<IEndpointConventionBuilder> methods;

    internal GrpcServiceEndpointConventionBuilder(IReadOnlyList<IEndpointConventionBuilder> methods) => this.methods = methods;

    public void Add(Action<EndpointBuilder> convention)
    {
        foreach (var method in methods)
        {
            method.Add(convention);
        }
    }
}
