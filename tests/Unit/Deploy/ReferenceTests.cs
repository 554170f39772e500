using System.Text.RegularExpressions;

namespace Saga.Tests.Deploy;

/// <summary>What docs says of how its commands are verified.</summary>
public sealed class ReferenceTests
{
    private static readonly string Verified = Repository.Read("docs/reference/README.md").Split("## How the commands are verified")[1];

    [Fact]
    public void Each_page_of_the_reference_has_a_row_that_says_how_it_is_verified()
    {
        var pages = Repository.FilesBelow("docs/reference").Select(Path.GetFileName).Where(page => page != "README.md");
        var rows = Regex.Matches(Verified, @"^\| \[(.*?)\]\(\1\) \|(.+)\|$", RegexOptions.Multiline);
        Assert.Equal(pages.Order(), rows.Select(row => row.Groups[1].Value).Order());
        Assert.All(rows, row => Assert.Matches(@"\w", row.Groups[2].Value));
    }

    [Theory]
    [InlineData("docs/reference/README.md")]
    [InlineData("docs/kubernetes.md")]
    [InlineData("docs/engines.md")]
    [InlineData("docs/upgrading.md")]
    [InlineData("docs/scaling.md")]
    public void The_tests_that_a_page_names_exist(string page)
    {
        var classes = Repository.FilesBelow("tests").Where(file => !file.Contains("node_modules")).Select(Path.GetFileNameWithoutExtension).ToHashSet();
        var named = Regex.Matches(Repository.Read(page), @"`(?:[\w/]+/)?(\w+Tests)\b").Select(match => match.Groups[1].Value).Distinct().ToArray();
        Assert.NotEmpty(named);
        Assert.All(named, name => Assert.Contains(name, classes));
    }
}
