using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;

namespace Saga.Tests;

/// <summary>What /metrics serves is what Prometheus reads.</summary>
public sealed class MetricsTests
{
    [Fact]
    public async Task Label_values_are_unescaped()
    {
        const string Awkward = "he said \"no\"\nand C:\\temp, {x=1} 값";
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.AddMetrics("test");
        await using var app = builder.Build();
        app.MapMetrics();
        await app.StartAsync();
        using var meter = new Meter(SagaMetrics.MeterName);
        meter.CreateCounter<long>("test.awkward", "{thing}", "With a \\ and\na second line.")
            .Add(3, new KeyValuePair<string, object?>("reason", Awkward));
        var duration = meter.CreateHistogram("test.duration", "s", "Of nothing.", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1] });
        foreach (var seconds in (double[])[0.05, 0.5, 0.6, 7]) duration.Record(seconds);

        using var http = new HttpClient { BaseAddress = new(app.Urls.Single()) };
        var metrics = PrometheusText.Parse(await http.GetStringAsync("/metrics"));
        var awkward = Assert.Single(metrics["test_awkward_total"].Samples);
        Assert.Equal((3, Awkward), (awkward.Value, awkward.Labels["reason"]));
        Assert.Equal(("counter", @"With a \\ and\na second line."), (metrics["test_awkward_total"].Type, metrics["test_awkward_total"].Help));
        Assert.Equal("histogram", metrics["test_duration_seconds"].Type);
        var timed = metrics["test_duration_seconds"].Samples;
        Assert.Equal([1, 3, 4], timed.Where(sample => sample.Name == "test_duration_seconds_bucket").Select(sample => sample.Value));
        Assert.Equal(8.15, timed.Single(sample => sample.Name == "test_duration_seconds_sum").Value, 6);
        Assert.Equal("counter", metrics["saga_documents_conflicts_total"].Type);
    }

    [Theory]
    [InlineData("a_total 1")]
    [InlineData("# TYPE a_total counter\na_total 1\na_total 1\n")]
    [InlineData("# TYPE a_total counter\nb_total 1\n")]
    [InlineData("# TYPE a_total counter\na_total{x=\"a\"b\"} 1\n")]
    [InlineData("# TYPE a counter\na 1\n")]
    [InlineData("# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n")]
    [InlineData("# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n")]
    public void Invalid_metrics_text_is_rejected(string wrong) => Assert.Throws<FormatException>(() => PrometheusText.Parse(wrong));
}
