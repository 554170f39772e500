using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Dapr.Client.Autogen.Grpc.v1;
using Grpc.Core;
using StackExchange.Redis;
using DaprService = Dapr.Client.Autogen.Grpc.v1.Dapr;
using static StandIns.Daprd.StateCalls;

namespace StandIns.Daprd;

[Collection(AddressedSidecarCollection.Name), Trait("Needs", "Address")]
public sealed class RedisStateTests(AddressedSidecar addressed)
{
    private const string Store = "store";
    private readonly string _key = Guid.NewGuid().ToString("N");

    private DaprService.DaprClient Dapr => addressed.Sidecar.Dapr;

    private HttpClient Http => addressed.Sidecar.Http;

    private IDatabase Redis => addressed.Redis;

    private string Stored => $"app||{_key}";

    [Fact]
    public async Task A_new_key_gets_version_1_in_a_hash_named_after_app_and_key()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        Assert.Equal([("data", "one"), ("version", "1")], Redis.HashGetAll(Stored).Select(f => ((string)f.Name!, (string)f.Value!)).Order());
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("0")]
    public async Task An_existing_key_is_overwritten_without_an_etag(string? etag)
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        await Dapr.SaveAsync(Store, Item(_key, "two", etag));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task The_current_etag_lets_a_write_through()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        await Dapr.SaveAsync(Store, Item(_key, "two", "1"));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task Another_etag_is_aborted_and_changes_nothing()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "two", "7")));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.StartsWith("failed saving state in state store store: possible etag mismatch. error from state store: ", failure.Status.Detail);
        Assert.True(failure.HasReason("ERR_STATE_SAVE"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task Any_etag_is_good_for_a_key_that_is_missing()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", "42"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task First_write_marks_a_new_key()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", concurrency: FirstWrite));
        Assert.Equal("0", (string?)Redis.HashGet(Stored, "first-write"));
    }

    [Theory]
    [InlineData(FirstWrite)]
    [InlineData(LastWrite)]
    [InlineData(Unspecified)]
    public async Task Without_an_etag_a_marked_key_refuses_every_write_as_an_internal_error(StateOptions.Types.StateConcurrency concurrency)
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", concurrency: FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "two", concurrency: concurrency)));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Contains($"failed saving state in state store store: failed to set key {Stored}", failure.Status.Detail);
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task First_write_over_an_unmarked_key_succeeds_and_marks_it()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        await Dapr.SaveAsync(Store, Item(_key, "two", concurrency: FirstWrite));
        Assert.Equal(("two", "2"), await Dapr.GetAsync(Store, _key));
        Assert.Equal("0", (string?)Redis.HashGet(Stored, "first-write"));
    }

    [Fact]
    public async Task First_write_with_the_current_etag_succeeds_again_and_again()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", concurrency: FirstWrite));
        await Dapr.SaveAsync(Store, Item(_key, "two", "1", FirstWrite));
        await Dapr.SaveAsync(Store, Item(_key, "three", "2", FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "four", "2", FirstWrite)));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.Equal(("three", "3"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task Last_write_loses_even_the_right_etag_on_a_marked_key()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", concurrency: FirstWrite));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "two", "1", LastWrite)));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
    }

    [Fact]
    public async Task Last_write_looks_at_no_etag()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        await Dapr.SaveAsync(Store, Item(_key, "two", "9", LastWrite));
        await Dapr.TransactAsync(Store, ("upsert", Item(_key, "three", "9", LastWrite)));
        Assert.Equal(("three", "3"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task A_plain_string_is_read_without_an_etag_and_replaced_by_a_hash()
    {
        Redis.StringSet(Stored, "plain");
        Assert.Equal(("plain", ""), await Dapr.GetAsync(Store, _key));
        await Dapr.SaveAsync(Store, Item(_key, "one", "9"));
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("3")]
    [InlineData("word")]
    public async Task Deleting_a_missing_key_succeeds_with_any_etag(string? etag) => await Dapr.DeleteAsync(Store, _key, etag);

    [Fact]
    public async Task Deleting_without_an_etag_removes_even_a_marked_key()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", concurrency: FirstWrite));
        await Dapr.DeleteAsync(Store, _key);
        Assert.False(Redis.KeyExists(Stored));
    }

    [Theory]
    [InlineData("2")]
    [InlineData("word")]
    public async Task Deleting_with_another_etag_is_aborted(string etag)
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.DeleteAsync(Store, _key, etag));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.StartsWith($"failed deleting state with key {_key}: possible etag mismatch. error from state store: ", failure.Status.Detail);
        Assert.True(failure.HasReason("ERR_STATE_DELETE"));
    }

    [Fact]
    public async Task A_deleted_key_starts_again_at_version_1()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        await Dapr.SaveAsync(Store, Item(_key, "two", "1"));
        await Dapr.DeleteAsync(Store, _key, "2");
        Assert.Equal(("", ""), await Dapr.GetAsync(Store, _key));
        await Dapr.SaveAsync(Store, Item(_key, "three", "2"));
        Assert.Equal(("three", "1"), await Dapr.GetAsync(Store, _key));
    }

    [Fact]
    public async Task An_etag_that_is_no_number_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "one", "word")));
        Assert.Equal(StatusCode.InvalidArgument, failure.StatusCode);
        Assert.EndsWith("invalid etag value: strconv.Atoi: parsing \"word\": invalid syntax", failure.Status.Detail);
        Assert.False(Redis.KeyExists(Stored));
    }

    [Fact]
    public async Task A_hash_that_lacks_its_fields_cannot_be_read()
    {
        Redis.HashSet(Stored, "data", "one");
        var failure = await Failure.OfAsync(() => Dapr.GetAsync(Store, _key));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.StartsWith($"fail to get {_key} from state store store: ", failure.Status.Detail);
    }

    [Fact]
    public async Task A_store_nobody_configured_is_an_invalid_argument()
    {
        var failure = await Failure.OfAsync(() => Dapr.GetAsync("other", _key));
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
    public async Task A_key_that_looks_like_a_prefixed_one_is_refused()
    {
        var failure = await Failure.OfAsync(() => Dapr.GetAsync(Store, "a||b"));
        Assert.Equal((StatusCode.InvalidArgument, "input key/keyPrefix 'a||b' can't contain '||'"), (failure.StatusCode, failure.Status.Detail));
        Assert.True(failure.HasReason("DAPR_STATE_ILLEGAL_KEY"));
    }

    [Theory]
    [InlineData("bare", "")]
    [InlineData("named", "named||")]
    [InlineData("custom", "mine||")]
    public async Task The_prefix_of_a_key_is_the_components_choice(string store, string prefix)
    {
        await Dapr.SaveAsync(store, Item(_key, "one"));
        Assert.True(Redis.KeyExists(prefix + _key));
    }

    [Fact]
    public async Task Bytes_are_stored_as_they_are_unless_they_call_themselves_json()
    {
        await Dapr.SaveAsync(Store, Item(_key, """{"b" : 1.50,  "a": "<"}"""));
        Assert.Equal("""{"b" : 1.50,  "a": "<"}""", (string?)Redis.HashGet(Stored, "data"));
        await Dapr.SaveAsync(Store, Item(_key, """{"b" : 1.50}""", metadata: ("contentType", "application/json")));
        Assert.Equal("""{"b":1.5}""", (string?)Redis.HashGet(Stored, "data"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "no json", metadata: ("contentType", "application/json"))));
        Assert.Equal(StatusCode.Unknown, failure.StatusCode);
    }

    [Fact]
    public async Task A_time_to_live_outlives_an_overwrite_that_does_not_mention_it()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", metadata: ("ttlInSeconds", "100")));
        await Dapr.SaveAsync(Store, Item(_key, "two"));
        Assert.InRange(Redis.KeyTimeToLive(Stored)!.Value.TotalSeconds, 1, 100);
        await Dapr.SaveAsync(Store, Item(_key, "three", metadata: ("ttlInSeconds", "-1")));
        Assert.Null(Redis.KeyTimeToLive(Stored));
    }

    [Fact]
    public async Task A_component_may_give_every_key_a_time_to_live()
    {
        await Dapr.SaveAsync("fleeting", Item(_key, "one"));
        Assert.InRange(Redis.KeyTimeToLive(Stored)!.Value.TotalSeconds, 1, 100);
    }

    [Fact]
    public async Task A_time_to_live_that_is_no_number_saves_nothing()
    {
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "one", metadata: ("ttlInSeconds", "soon"))));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.False(Redis.KeyExists(Stored));
        await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, "one", metadata: ("ttlInSeconds", "soon")), Item(_key + "other", "o")));
        Assert.Equal((("", ""), ("o", "1")), (await Dapr.GetAsync(Store, _key), await Dapr.GetAsync(Store, _key + "other")));
    }

    [Fact]
    public async Task Of_many_saves_only_the_wrong_one_fails()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        var failure = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key + "a", "a"), Item(_key, "two", "9"), Item(_key + "b", "b")));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.Equal(("one", "1"), await Dapr.GetAsync(Store, _key));
        Assert.Equal(("a", "1"), await Dapr.GetAsync(Store, _key + "a"));
        Assert.Equal(("b", "1"), await Dapr.GetAsync(Store, _key + "b"));
    }

    [Fact]
    public async Task A_bulk_read_answers_in_order_and_tells_missing_keys_and_failures_apart()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one"));
        Redis.HashSet($"app||{_key}broken", "data", "x");
        var response = await Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = Store, Keys = { _key + "missing", _key, _key + "broken" }, Parallelism = 1 });
        Assert.Equal([_key + "missing", _key, _key + "broken"], response.Items.Select(i => i.Key));
        Assert.Equal(("", "", ""), (response.Items[0].Data.ToStringUtf8(), response.Items[0].Etag, response.Items[0].Error));
        Assert.Equal(("one", "1", ""), (response.Items[1].Data.ToStringUtf8(), response.Items[1].Etag, response.Items[1].Error));
        Assert.NotEmpty(response.Items[2].Error);
        Assert.Empty((await Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = Store })).Items);
    }

    [Fact]
    public async Task Of_many_deletions_only_the_wrong_one_fails()
    {
        await Dapr.SaveAsync(Store, Item(_key + "a", "a"), Item(_key + "b", "b"));
        var failure = await Failure.OfAsync(async () => await Dapr.DeleteBulkStateAsync(
            new DeleteBulkStateRequest { StoreName = Store, States = { Item(_key + "a", "", "7"), Item(_key + "b", "") } }));
        Assert.Equal(StatusCode.Aborted, failure.StatusCode);
        Assert.True(Redis.KeyExists($"app||{_key}a"));
        Assert.False(Redis.KeyExists($"app||{_key}b"));
    }

    [Fact]
    public async Task A_transaction_that_fails_at_one_etag_keeps_everything_else_it_did()
    {
        await Dapr.SaveAsync(Store, Item(_key + "a", "a"), Item(_key + "b", "b"), Item(_key + "c", "c"));
        var failure = await Failure.OfAsync(() => Dapr.TransactAsync(
            Store,
            ("upsert", Item(_key + "a", "a2", "1")),
            ("upsert", Item(_key + "b", "b2", "9")),
            ("delete", Item(_key + "c", "")),
            ("upsert", Item(_key + "d", "d"))));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.StartsWith("error while executing state transaction: ", failure.Status.Detail);
        Assert.Equal(("a2", "2"), await Dapr.GetAsync(Store, _key + "a"));
        Assert.Equal(("b", "1"), await Dapr.GetAsync(Store, _key + "b"));
        Assert.Equal(("", ""), await Dapr.GetAsync(Store, _key + "c"));
        Assert.Equal(("d", "1"), await Dapr.GetAsync(Store, _key + "d"));
    }

    [Theory]
    [InlineData("etag")]
    [InlineData("ttl")]
    [InlineData("key")]
    public async Task What_is_wrong_before_a_transaction_is_sent_prevents_all_of_it(string wrong)
    {
        var bad = wrong switch
        {
            "etag" => Item(_key + "b", "b", "word"),
            "ttl" => Item(_key + "b", "b", metadata: ("ttlInSeconds", "soon")),
            _ => Item("a||b", "b"),
        };
        await Failure.OfAsync(() => Dapr.TransactAsync(Store, ("upsert", Item(_key, "a")), ("upsert", bad)));
        Assert.False(Redis.KeyExists(Stored));
    }

    [Fact]
    public async Task A_transaction_applies_its_operations_in_order_and_ignores_first_write()
    {
        await Dapr.TransactAsync(
            Store, ("upsert", Item(_key, "one")), ("delete", Item(_key, "")), ("upsert", Item(_key, "two", concurrency: FirstWrite, metadata: ("ttlInSeconds", "100"))));
        Assert.Equal(("two", "1"), await Dapr.GetAsync(Store, _key));
        Assert.False(Redis.HashExists(Stored, "first-write"));
        Assert.NotNull(Redis.KeyTimeToLive(Stored));
    }

    [Fact]
    public async Task A_json_operation_fails_alone_where_redis_has_no_json()
    {
        await Failure.OfAsync(() => Dapr.TransactAsync(
            Store, ("upsert", Item(_key, "1", metadata: ("contentType", "application/json"))), ("upsert", Item(_key + "b", "b"))));
        Assert.Equal(("b", "1"), await Dapr.GetAsync(Store, _key + "b"));
    }

    [Fact]
    public async Task A_transaction_of_nothing_succeeds_and_of_something_unknown_is_unimplemented()
    {
        await Dapr.TransactAsync(Store);
        var failure = await Failure.OfAsync(() => Dapr.TransactAsync(Store, ("Upsert", Item(_key, "one"))));
        Assert.Equal(StatusCode.Unimplemented, failure.StatusCode);
    }

    [Fact]
    public async Task Http_writes_decode_and_encode_the_value_again()
    {
        const string Kept = """[3.141593,0,9007199254740992,{"s":"<한>"}]""";
        var saved = await Http.PostAsync($"/v1.0/state/{Store}", Json($$$"""[{"key":"{{{_key}}}","value":[3.14159265358979,1e-7,9007199254740993,{"s":"<한>"}]}]"""));
        Assert.Equal(HttpStatusCode.NoContent, saved.StatusCode);
        Assert.Equal(Kept, (string?)Redis.HashGet(Stored, "data"));
        var read = await Http.GetAsync($"/v1.0/state/{Store}/{_key}");
        Assert.Equal("1", Assert.Single(read.Headers.GetValues("ETag")));
        Assert.Equal("application/json", read.Content.Headers.ContentType!.MediaType);
        Assert.Equal(Kept, await read.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Http_stores_members_in_another_order_each_time()
    {
        const string Value = """{"a":1,"b":2,"c":3,"d":{"e":4,"f":5}}""";
        var kept = new HashSet<string>();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (kept.Count < 2)
        {
            await Http.PostAsync($"/v1.0/state/{Store}", Json($$"""[{"key":"{{_key}}","value":{{Value}} }]"""), limit.Token);
            kept.Add(((string?)Redis.HashGet(Stored, "data"))!);
        }

        Assert.All(kept, text => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(Value), JsonNode.Parse(text))));
    }

    [Fact]
    public async Task Http_takes_names_as_they_are_meant_and_metadata_from_the_query()
    {
        var saved = await Http.PutAsync($"/v1.0/state/{Store}?metadata.ttlInSeconds=100", Json($$"""[{"key":"{{_key}}/ü","value":1,"etag":""}]"""));
        Assert.Equal(HttpStatusCode.NoContent, saved.StatusCode);
        Assert.NotNull(Redis.KeyTimeToLive($"{Stored}/ü"));
        Assert.Equal("1", await Http.GetStringAsync($"/v1.0/state/{Store}/{_key}%2F%C3%BC"));
    }

    [Theory]
    [InlineData("*", HttpStatusCode.Conflict)]
    [InlineData("", HttpStatusCode.NoContent)]
    public async Task For_a_deletion_over_Http_a_star_is_an_etag_like_any_other_and_nothing_is_none(string etag, HttpStatusCode status)
    {
        await Dapr.SaveAsync(Store, Item(_key, "1"));
        using var delete = new HttpRequestMessage(HttpMethod.Delete, $"/v1.0/state/{Store}/{_key}");
        delete.Headers.TryAddWithoutValidation("If-Match", etag);
        Assert.Equal(status, (await Http.SendAsync(delete)).StatusCode);
    }

    [Fact]
    public async Task Http_answers_conflicts_with_409_and_missing_keys_with_204()
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Http.GetAsync($"/v1.0/state/{Store}/{_key}")).StatusCode);
        await Dapr.SaveAsync(Store, Item(_key, "1"));
        Assert.Equal("1", await Http.GetStringAsync($"/v1.0//state/{Store}///{_key}/"));
        var save = await Http.PostAsync($"/v1.0/state/{Store}", Json($$"""[{"key":"{{_key}}","value":2,"etag":"9"}]"""));
        Assert.Equal(HttpStatusCode.Conflict, save.StatusCode);
        Assert.Contains("\"errorCode\":\"ERR_STATE_SAVE\"", await save.Content.ReadAsStringAsync());
        using var delete = new HttpRequestMessage(HttpMethod.Delete, $"/v1.0/state/{Store}/{_key}");
        delete.Headers.TryAddWithoutValidation("If-Match", "9");
        Assert.Equal(HttpStatusCode.Conflict, (await Http.SendAsync(delete)).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, (await Http.DeleteAsync($"/v1.0/state/{Store}/{_key}")).StatusCode);
    }

    [Fact]
    public async Task Http_has_bulk_reads_and_transactions()
    {
        var transaction = await Http.PostAsync(
            $"/v1.0/state/{Store}/transaction", Json($$$"""{"operations":[{"operation":"upsert","request":{"key":"{{{_key}}}","value":{"a":1} } } ] }"""));
        Assert.Equal(HttpStatusCode.NoContent, transaction.StatusCode);
        var bulk = await Http.PostAsync($"/v1.0/state/{Store}/bulk", Json($$"""{"keys":["{{_key}}","{{_key}}x"]}"""));
        Assert.Equal($$"""[{"key":"{{_key}}","data":{"a":1},"etag":"1"},{"key":"{{_key}}x"}]""", await bulk.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_time_to_live_of_nothing_is_taken_away()
    {
        await Dapr.SaveAsync(Store, Item(_key, "one", metadata: ("ttlInSeconds", "100")));
        Assert.NotNull(Redis.KeyTimeToLive(Stored));
        Assert.Empty((await Dapr.GetStateAsync(new GetStateRequest { StoreName = Store, Key = _key })).Metadata);
        await Dapr.SaveAsync(Store, Item(_key, "two", metadata: ("ttlInSeconds", "-1")));
        Assert.Null(Redis.KeyTimeToLive(Stored));
    }

    [Fact]
    public async Task With_a_write_timeout_a_transaction_does_everything_twice()
    {
        await Dapr.TransactAsync("twice", ("upsert", Item(_key, "one")));
        Assert.Equal(("one", "2"), await Dapr.GetAsync("twice", _key));
        var failure = await Failure.OfAsync(() => Dapr.TransactAsync("twice", ("upsert", Item(_key, "two", "2"))));
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Equal(("two", "3"), await Dapr.GetAsync("twice", _key));
    }

    [Theory]
    [InlineData("POST", "/v1.0/state/other", "[]", HttpStatusCode.BadRequest, "ERR_STATE_STORE_NOT_FOUND", "DAPR_STATE_NOT_FOUND")]
    [InlineData("GET", "/v1.0/state/store/a%7C%7Cb", "", HttpStatusCode.BadRequest, "ERR_MALFORMED_REQUEST", "DAPR_STATE_ILLEGAL_KEY")]
    [InlineData("POST", "/v1.0/state/store", """[{"key":"","value":1}]""", HttpStatusCode.BadRequest, "ERR_STATE_SAVE")]
    [InlineData("POST", "/v1.0/state/store", """[{"key":"k","value":1,"etag":"word"}]""", HttpStatusCode.BadRequest, "ERR_STATE_SAVE")]
    [InlineData("POST", "/v1.0/state/store", """[{"key":"k","value":1,"options":{"concurrency":"sometimes"}}]""", HttpStatusCode.BadRequest, "ERR_MALFORMED_REQUEST")]
    [InlineData("POST", "/v1.0/state/store", """[{"key":"k","value":1,"options":{"consistency":"perhaps"}}]""", HttpStatusCode.BadRequest, "ERR_MALFORMED_REQUEST")]
    [InlineData("POST", "/v1.0/state/store/transaction", """{"operations":[{"operation":"upsert","request":{"key":"pair","value":1,"etag":"9"}},{"operation":"upsert","request":{"key":"pair","value":1,"etag":"9"}}]}""", HttpStatusCode.InternalServerError, "ERR_STATE_TRANSACTION")]
    [InlineData("POST", "/v1.0/state/store", """{"key":"k"}""", HttpStatusCode.BadRequest, "ERR_MALFORMED_REQUEST")]
    [InlineData("POST", "/v1.0/state/store", "no json", HttpStatusCode.BadRequest, "ERR_MALFORMED_REQUEST")]
    [InlineData("POST", "/v1.0/state/store/transaction", """{"operations":[{"operation":"merge","request":{"key":"k"}}]}""", HttpStatusCode.BadRequest, "ERR_NOT_SUPPORTED_STATE_OPERATION")]
    [InlineData("GET", "/v1.0/state/store/broken", "", HttpStatusCode.InternalServerError, "ERR_STATE_GET")]
    public async Task Http_says_what_is_wrong_by_status_and_code(string method, string path, string body, HttpStatusCode status, string code, string? reason = null)
    {
        await Redis.HashSetAsync("app||broken", "data", "without a version");
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body.Length > 0 ? Json(body) : null };
        using var response = await Http.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        Assert.Equal(status, response.StatusCode);
        Assert.Contains($"\"errorCode\":\"{code}\"", text);
        if (reason is not null) Assert.Contains($"\"reason\":\"{reason}\"", text);
    }

    [Fact]
    public async Task Http_refuses_a_second_first_write_as_an_internal_error_and_takes_an_empty_list()
    {
        Assert.Equal(HttpStatusCode.NoContent, (await Http.PostAsync($"/v1.0/state/{Store}", Json("[]"))).StatusCode);
        var item = $$$"""[{"key":"{{{_key}}}","value":"<😀\u3000>","options":{"concurrency":"first-write"}}]""";
        Assert.Equal(HttpStatusCode.NoContent, (await Http.PostAsync($"/v1.0/state/{Store}", Json(item))).StatusCode);
        Assert.Equal("\"<😀\u3000>\"", (string?)Redis.HashGet(Stored, "data"));
        var second = await Http.PostAsync($"/v1.0/state/{Store}", Json(item));
        Assert.Equal(HttpStatusCode.InternalServerError, second.StatusCode);
        Assert.Contains("ERR_STATE_SAVE", await second.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Over_Http_one_value_that_is_not_json_empties_a_bulk_read()
    {
        await Dapr.SaveAsync(Store, Item(_key + "a", "1"), Item(_key + "b", "no json"));
        var bulk = await Http.PostAsync($"/v1.0/state/{Store}/bulk", Json($$"""{"keys":["{{_key}}a","{{_key}}b"]}"""));
        Assert.Equal((HttpStatusCode.OK, ""), (bulk.StatusCode, await bulk.Content.ReadAsStringAsync()));
    }

    [Fact]
    public async Task What_is_longer_than_allowed_is_refused_in_both_directions()
    {
        var long4 = new string('x', 4 * 1024 * 1024);
        var save = await Failure.OfAsync(() => Dapr.SaveAsync(Store, Item(_key, long4)));
        Assert.Equal(StatusCode.ResourceExhausted, save.StatusCode);
        var half = new string('x', 3 * 1024 * 1024);
        await Dapr.SaveAsync(Store, Item(_key + "a", half));
        await Dapr.SaveAsync(Store, Item(_key + "b", half));
        var read = await Failure.OfAsync(Dapr.GetBulkStateAsync(new GetBulkStateRequest { StoreName = Store, Keys = { _key + "a", _key + "b" } }));
        Assert.Equal(StatusCode.ResourceExhausted, read.StatusCode);
        var http = await Http.PostAsync($"/v1.0/state/{Store}", Json($$"""[{"key":"{{_key}}","value":"{{long4}}"}]"""));
        Assert.Equal(HttpStatusCode.BadRequest, http.StatusCode);
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");
}
