namespace ShopConsole;

/// <summary>The settings of the page.</summary>
/// <param name="Zipkin">The address of the Zipkin to link traces to, such as http://localhost:9411. Null: the page has no such links.</param>
internal sealed record Settings(string? Zipkin)
{
    /// <summary>Console:Zipkin; http://localhost:9411 where that is not set and traces are exported to Zipkin.</summary>
    public static Settings From(IConfiguration configuration)
    {
        var exporters = Exporters.OfTraces(configuration).Names;
        var settings = new SettingReader(configuration).OnlyKnown("Console", nameof(Zipkin));
        settings.Url("Console:Zipkin", "http://localhost:9411");
        settings.ThrowIfInvalid();
        var zipkin = configuration["Console:Zipkin"]?.Trim() ?? (exporters.Contains(Exporters.Zipkin) ? "http://localhost:9411" : "");
        return new(exporters.Count > 0 && zipkin.Length > 0 ? zipkin : null);
    }
}
