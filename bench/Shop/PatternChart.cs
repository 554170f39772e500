using System.Globalization;
using System.Text;
using Shop.V1;

namespace Bench;

/// <summary>Draws latency over load for both patterns, as SVG.</summary>
internal static class PatternChart
{
    private const double Width = 720, Height = 400, Left = 70, Right = 180, Top = 30, Bottom = 50;

    private static readonly (string Name, string Color, string Dash, Func<PatternResult, double> Of, SagaPattern Pattern)[] Lines =
    [
        ("choreography, answer", "#3257c7", "5 4", result => result.AnswerP50Ms, SagaPattern.Choreography),
        ("choreography, final", "#3257c7", "", result => result.P50Ms, SagaPattern.Choreography),
        ("orchestration", "#b3261e", "", result => result.P50Ms, SagaPattern.Orchestration),
    ];

    /// <param name="results">Of one circumstance, with rising load.</param>
    public static string Draw(IReadOnlyList<PatternResult> results)
    {
        var (mostLoad, mostMs) = (RoundUp(results.Max(result => result.PerSecond)), RoundUp(results.Max(result => Math.Max(result.P50Ms, result.AnswerP50Ms))));
        double X(double perSecond) => Left + (Width - Left - Right) * perSecond / mostLoad;
        double Y(double ms) => Height - Bottom - (Height - Top - Bottom) * ms / mostMs;
        var svg = new StringBuilder();
        void Add(FormattableString line) => svg.AppendLine(line.ToString(CultureInfo.InvariantCulture));
        void Text(double x, double y, string text, string anchor = "middle", string color = "#586173") =>
            Add($"  <text x=\"{x:0.#}\" y=\"{y:0.#}\" text-anchor=\"{anchor}\" fill=\"{color}\">{text}</text>");

        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">");
        Add($"  <rect width=\"{Width}\" height=\"{Height}\" fill=\"#ffffff\"/>");
        for (var tick = 0; tick <= 4; tick++)
        {
            Add($"  <line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(mostMs * tick / 4):0.#}\" y2=\"{Y(mostMs * tick / 4):0.#}\" stroke=\"#dde1e9\"/>");
            Text(Left - 8, Y(mostMs * tick / 4) + 4, (mostMs * tick / 4).ToString("0.#", CultureInfo.InvariantCulture), "end");
            Text(X(mostLoad * tick / 4), Height - Bottom + 18, (mostLoad * tick / 4).ToString("0.#", CultureInfo.InvariantCulture));
        }
        Text((Left + Width - Right) / 2, Height - 12, "orders that end, per second");
        Text(Left, Top - 12, "ms, median");
        foreach (var (name, color, dash, of, pattern) in Lines)
        {
            var points = results.Where(result => result.Pattern == pattern).OrderBy(result => result.InFlight).ToArray();
            Add($"  <polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" points=\"{string.Join(' ', points.Select(point => FormattableString.Invariant($"{X(point.PerSecond):0.#},{Y(of(point)):0.#}")))}\"/>");
            foreach (var point in points) Add($"  <circle cx=\"{X(point.PerSecond):0.#}\" cy=\"{Y(of(point)):0.#}\" r=\"3\" fill=\"{color}\"><title>{name}, {point.InFlight} in flight: {of(point):0.#} ms at {point.PerSecond:0} a second</title></circle>");
            Text(X(points[^1].PerSecond) + 8, Y(of(points[^1])) + 4, $"{name}", "start", color);
        }
        Add($"</svg>");
        return svg.ToString();
    }

    /// <summary>The next number with one digit that is not zero, and at least a tenth more.</summary>
    private static double RoundUp(double value)
    {
        var unit = Math.Pow(10, Math.Floor(Math.Log10(Math.Max(value * 1.1, 1))));
        return Math.Ceiling(value * 1.1 / unit) * unit;
    }
}
