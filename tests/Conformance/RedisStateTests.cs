using System.Text.RegularExpressions;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static Conformance.StateCalls;

namespace Conformance;

[Collection(nameof(OnSharedSidecar))]
public sealed partial class RedisStateTests(SharedSidecar shared)
{
    private const string Store = "store";
    private readonly string key = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => shared.Sidecar.Dapr;

    private IDatabase Redis => shared.Redis;

    private string Stored => $"app||{key}";

    /// <summary>Each write is <c>value@etag/concurrency!status</c>: without ETag, with the default concurrency and successful if the part is missing.</summary>
    [Theory]
    [InlineData("one", "one", "1")]
    [InlineData("one two", "two", "2")]
    [InlineData("one two@0", "two", "2")]
    [InlineData("one two@1", "two", "2")]
    [InlineData("one two@7!Aborted", "one", "1")]
    [InlineData("one@42", "one", "1")]
    [InlineData("one@word!InvalidArgument", "", "")]
    [InlineData("one two/first", "two", "2")]
    // A key that was written with first-write concurrency is marked: from then on, a write needs its ETag.
    [InlineData("one/first two!Internal two/first!Internal two/last!Internal", "one", "1")]
    [InlineData("one/first two@1/first three@2/first four@2/first!Aborted", "three", "3")]
    [InlineData("one/first two@1/last!Aborted", "one", "1")]
    [InlineData("one two@9/last", "two", "2")]
    public async Task Writes_succeed_or_fail_by_etag_and_concurrency(string writes, string value, string etag)
    {
        foreach (Match write in Write().Matches(writes))
        {
            var concurrency = write.Groups[3].Value switch { "first" => FirstWrite, "last" => LastWrite, _ => Unspecified };
            var item = Item(key, write.Groups[1].Value, write.Groups[2].Success ? write.Groups[2].Value : null, concurrency);
            var failure = await Record.ExceptionAsync(() => Dapr.SaveAsync(Store, item)) as RpcException;
            Assert.Equal(write.Groups[4].Success ? write.Groups[4].Value : "", $"{failure?.StatusCode}");
        }

        Assert.Equal((value, etag), await Dapr.GetAsync(Store, key));
        var fields = Redis.HashGetAll(Stored).ToDictionary(field => (string)field.Name!, field => (string)field.Value!);
        if (value.Length > 0) Assert.Equal((value, etag, writes.Contains("/first")), (fields["data"], fields["version"], fields.GetValueOrDefault("first-write") == "0"));
    }

    [Fact]
    public async Task A_conflict_and_a_malformed_etag_have_the_message_of_daprd()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var conflict = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", "7")));
        Assert.StartsWith("failed saving state in state store store: possible etag mismatch. error from state store: ", conflict.Status.Detail);
        var malformed = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", "word")));
        Assert.EndsWith("invalid etag value: strconv.Atoi: parsing \"word\": invalid syntax", malformed.Status.Detail);
    }

    [Fact]
    public async Task A_deleted_key_restarts_at_version_1()
    {
        await Dapr.DeleteAsync(Store, key);
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        await Dapr.DeleteAsync(Store, key);
        Assert.Equal(("", ""), await Dapr.GetAsync(Store, key));
        await Dapr.SaveAsync(Store, Item(key, "two"));
        Assert.Equal(("two", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_plain_string_is_read_without_an_etag_and_overwritten_by_a_hash()
    {
        Redis.StringSet(Stored, "plain");
        Assert.Equal(("plain", ""), await Dapr.GetAsync(Store, key));
        await Dapr.SaveAsync(Store, Item(key, "one", "9"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task An_unknown_store_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.GetAsync("other", key));
        Assert.Equal((StatusCode.InvalidArgument, "state store other is not found"), (failure.StatusCode, failure.Status.Detail));
    }

    [Fact]
    public async Task An_empty_key_cannot_be_saved()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item("", "one")));
        Assert.Equal((StatusCode.InvalidArgument, "state key cannot be empty"), (failure.StatusCode, failure.Status.Detail));
    }

    [Fact]
    public async Task A_key_with_the_prefix_separator_is_rejected()
    {
        var failure = await Failure.OfAsync(() => Dapr.GetAsync(Store, "a||b"));
        Assert.Equal((StatusCode.InvalidArgument, "input key/keyPrefix 'a||b' can't contain '||'"), (failure.StatusCode, failure.Status.Detail));
    }

    [Theory]
    [InlineData("bare", "")]
    [InlineData("named", "named||")]
    [InlineData("custom", "mine||")]
    public async Task The_key_prefix_is_set_by_the_component(string store, string prefix)
    {
        await Dapr.SaveAsync(store, Item(key, "one"));
        Assert.True(Redis.KeyExists(prefix + key));
    }

    [Fact]
    public async Task Values_are_stored_byte_for_byte()
    {
        await Dapr.SaveAsync(Store, Item(key, """{"b" : 1.50,  "a": "<"}"""));
        Assert.Equal("""{"b" : 1.50,  "a": "<"}""", (string?)Redis.HashGet(Stored, "data"));
    }

    [Fact]
    public async Task A_write_without_ttl_keeps_the_expiry()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", metadata: ("ttlInSeconds", "100")));
        await Dapr.SaveAsync(Store, Item(key, "two"));
        Assert.InRange(Redis.KeyTimeToLive(Stored)!.Value.TotalSeconds, 1, 100);
        await Dapr.SaveAsync(Store, Item(key, "three", metadata: ("ttlInSeconds", "-1")));
        Assert.Null(Redis.KeyTimeToLive(Stored));
    }

    [Fact]
    public async Task The_ttl_of_the_component_applies_to_every_key()
    {
        await Dapr.SaveAsync("fleeting", Item(key, "one"));
        Assert.InRange(Redis.KeyTimeToLive(Stored)!.Value.TotalSeconds, 1, 100);
    }

    [Fact]
    public async Task In_a_save_of_several_items_only_the_conflicting_one_fails()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key + "a", "a"), Item(key, "two", "9"), Item(key + "b", "b")));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
        Assert.Equal(("a", "1"), await Dapr.GetAsync(Store, key + "a"));
        Assert.Equal(("b", "1"), await Dapr.GetAsync(Store, key + "b"));
    }

    [Fact]
    public async Task Bulk_get_returns_items_in_order_and_distinguishes_missing_keys_from_failures()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        Redis.HashSet($"app||{key}broken", "data", "x");
        var response = await Dapr.GetBulkStateAsync(
            new GetBulkStateRequest { StoreName = Store, Keys = { key + "missing", key, key + "broken" }, Parallelism = 1 });
        Assert.Equal([key + "missing", key, key + "broken"], response.Items.Select(i => i.Key));
        Assert.Equal(("", "", ""), (response.Items[0].Data.ToStringUtf8(), response.Items[0].Etag, response.Items[0].Error));
        Assert.Equal(("one", "1", ""), (response.Items[1].Data.ToStringUtf8(), response.Items[1].Etag, response.Items[1].Error));
        Assert.NotEmpty(response.Items[2].Error);
        Assert.Empty((await Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = Store })).Items);
    }

    [GeneratedRegex(@"(\w+)(?:@(\w*))?(?:/(\w+))?(?:!(\w+))?")]
    private static partial Regex Write();
}
