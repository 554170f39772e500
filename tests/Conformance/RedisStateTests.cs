using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static Conformance.StateCalls;

namespace Conformance;

[Collection(nameof(OnAddressedSidecar)), Trait("Needs", "Address")]
public sealed class RedisStateTests(AddressedSidecar addressed)
{
    private const string Store = "store";
    private readonly string key = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => addressed.Sidecar.Dapr;

    private IDatabase Redis => addressed.Redis;

    private string Stored => $"app||{key}";

    [Fact]
    public async Task A_new_key_is_stored_as_a_hash_with_version_1()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        Assert.Equal([("data", "one"), ("version", "1")], Redis.HashGetAll(Stored).Select(f => ((string)f.Name!, (string)f.Value!)).Order());
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0")]
    public async Task A_write_without_etag_overwrites_an_existing_key(string? etag)
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        await Dapr.SaveAsync(Store, Item(key, "two", etag));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_write_with_the_current_etag_succeeds()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        await Dapr.SaveAsync(Store, Item(key, "two", "1"));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_stale_etag_is_aborted_and_changes_nothing()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", "7")));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.StartsWith("failed saving state in state store store: possible etag mismatch. error from state store: ", failure.Status.Detail);
        Assert.True(failure.HasReason("ERR_STATE_SAVE"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_missing_key_is_created_with_any_etag()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", "42"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task First_write_marks_a_new_key()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        Assert.Equal("0", (string?)Redis.HashGet(Stored, "first-write"));
    }

    [Theory]
    [InlineData(FirstWrite)]
    [InlineData(LastWrite)]
    [InlineData(Unspecified)]
    public async Task A_write_without_etag_to_a_marked_key_is_an_internal_error(StateOptions.Types.StateConcurrency concurrency)
    {
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", concurrency: concurrency)));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Contains($"failed saving state in state store store: failed to set key {Stored}", failure.Status.Detail);
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task First_write_over_an_unmarked_key_succeeds_and_marks_it()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        await Dapr.SaveAsync(Store, Item(key, "two", concurrency: FirstWrite));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, key));
        Assert.Equal("0", (string?)Redis.HashGet(Stored, "first-write"));
    }

    [Fact]
    public async Task First_write_with_the_current_etag_succeeds_repeatedly()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        await Dapr.SaveAsync(Store, Item(key, "two", "1", FirstWrite));
        await Dapr.SaveAsync(Store, Item(key, "three", "2", FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "four", "2", FirstWrite)));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.Equal(("three", "3"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task Last_write_with_the_current_etag_fails_on_a_marked_key()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "two", "1", LastWrite)));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
    }

    [Fact]
    public async Task Last_write_ignores_the_etag()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        await Dapr.SaveAsync(Store, Item(key, "two", "9", LastWrite));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_plain_string_is_read_without_an_etag_and_overwritten_by_a_hash()
    {
        Redis.StringSet(Stored, "plain");
        Assert.Equal(("plain", ""), await Dapr.GetAsync(Store, key));
        await Dapr.SaveAsync(Store, Item(key, "one", "9"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, key));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("3")]
    [InlineData("word")]
    public async Task Deleting_a_missing_key_succeeds_with_any_etag(string? etag) => await Dapr.DeleteAsync(Store, key, etag);

    [Fact]
    public async Task Deleting_without_an_etag_removes_even_a_marked_key()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", concurrency: FirstWrite));
        await Dapr.DeleteAsync(Store, key);
        Assert.False(Redis.KeyExists(Stored));
    }

    [Theory]
    [InlineData("2")]
    [InlineData("word")]
    public async Task Deleting_with_another_etag_is_aborted(string etag)
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.DeleteAsync(Store, key, etag));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.StartsWith($"failed deleting state with key {key}: possible etag mismatch. error from state store: ", failure.Status.Detail);
        Assert.True(failure.HasReason("ERR_STATE_DELETE"));
    }

    [Fact]
    public async Task A_deleted_key_restarts_at_version_1()
    {
        await Dapr.SaveAsync(Store, Item(key, "one"));
        await Dapr.SaveAsync(Store, Item(key, "two", "1"));
        await Dapr.DeleteAsync(Store, key, "2");
        Assert.Equal(("", ""), await Dapr.GetAsync(Store, key));
        await Dapr.SaveAsync(Store, Item(key, "three", "2"));
        Assert.Equal(("three", "1"), await Dapr.GetAsync(Store, key));
    }

    [Fact]
    public async Task A_malformed_etag_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "one", "word")));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.EndsWith("invalid etag value: strconv.Atoi: parsing \"word\": invalid syntax", failure.Status.Detail);
        Assert.False(Redis.KeyExists(Stored));
    }

    [Fact]
    public async Task Getting_a_hash_without_the_expected_fields_fails()
    {
        Redis.HashSet(Stored, "data", "one");
        var failure = await Failure.OfAsync(() => Dapr.GetAsync(Store, key));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.StartsWith($"fail to get {key} from state store store: ", failure.Status.Detail);
    }

    [Fact]
    public async Task An_unknown_store_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.GetAsync("other", key));
        Assert.Equal((StatusCode.InvalidArgument, "state store other is not found"), (failure.StatusCode, failure.Status.Detail));
        Assert.True(failure.HasReason("DAPR_STATE_NOT_FOUND"));
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
        Assert.True(failure.HasReason("DAPR_STATE_ILLEGAL_KEY"));
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
    public async Task An_invalid_ttl_fails_only_its_own_item()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "one", metadata: ("ttlInSeconds", "soon"))));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.False(Redis.KeyExists(Stored));
        await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, "one", metadata: ("ttlInSeconds", "soon")), Item(key + "other", "o")));
        Assert.Equal((("", ""), ("o", "1")), (await Dapr.GetAsync(Store, key), await Dapr.GetAsync(Store, key + "other")));
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

    [Fact]
    public async Task A_negative_ttl_removes_the_expiry()
    {
        await Dapr.SaveAsync(Store, Item(key, "one", metadata: ("ttlInSeconds", "100")));
        Assert.NotNull(Redis.KeyTimeToLive(Stored));
        Assert.Empty((await Dapr.GetStateAsync(new GetStateRequest { StoreName = Store, Key = key })).Metadata);
        await Dapr.SaveAsync(Store, Item(key, "two", metadata: ("ttlInSeconds", "-1")));
        Assert.Null(Redis.KeyTimeToLive(Stored));
    }

    [Fact]
    public async Task Requests_and_responses_over_the_size_limit_are_rejected()
    {
        var long4 = new string('x', 4 * 1024 * 1024);
        var save = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(key, long4)));
        Assert.Equal(StatusCode.ResourceExhausted, save.StatusCode);
        var half = new string('x', 3 * 1024 * 1024);
        await Dapr.SaveAsync(Store, Item(key + "a", half));
        await Dapr.SaveAsync(Store, Item(key + "b", half));
        var read = await Failure.OfAsync(Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = Store, Keys = { key + "a", key + "b" } }));
        Assert.Equal(StatusCode.ResourceExhausted, read.StatusCode);
    }

}
