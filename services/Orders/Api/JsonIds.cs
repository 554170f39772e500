using System.Text;
using System.Text.Json;
using Google.Protobuf.Reflection;

namespace Orders;

/// <summary>
/// Accepts ids in JSON that are whole numbers, as systems with numeric ids write them: 1 is the id "1". In the JSON mapping of protobuf every id is
/// a string. Members that are there twice are refused.
/// </summary>
internal static class JsonIds
{
    /// <summary>The same JSON with such numbers in quotes, digit by digit as they stand. What is no JSON stays as it is.</summary>
    /// <param name="type">What the JSON is of. Its ids are the strings whose names end in _id.</param>
    /// <exception cref="RejectedException">
    /// INVALID_ARGUMENT naming every id that is neither a string nor a whole number, and every member that is there twice.
    /// </exception>
    public static string QuoteNumbers(string json, MessageDescriptor type)
    {
        var text = Encoding.UTF8.GetBytes(json);
        var found = new Findings([], []);
        try
        {
            var reader = new Utf8JsonReader(text);
            if (reader.Read()) Value(ref reader, type, field: null, at: "", found);
            while (reader.Read())
            {
            }
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            // The parser reports what is wrong with it. InvalidOperationException: half a surrogate pair in a name.
            return json;
        }
        if (found.Violations.Count > 0) throw new RejectedException(Rejection.Invalid(found.Violations));
        if (found.Numbers.Count == 0) return json;

        var quoted = new StringBuilder(json.Length + 2 * found.Numbers.Count);
        var copied = 0;
        foreach (var number in found.Numbers)
        {
            quoted.Append(Encoding.UTF8.GetString(text[copied..number.Start])).Append('"').Append(Encoding.UTF8.GetString(text[number])).Append('"');
            copied = number.End.Value;
        }
        return quoted.Append(Encoding.UTF8.GetString(text[copied..])).ToString();
    }

    /// <summary>True: the field is an id, so that its JSON may be a number.</summary>
    public static bool IsId(FieldDescriptor? field) => field is { FieldType: FieldType.String } && field.Name.EndsWith("_id", StringComparison.Ordinal);

    /// <param name="message">What an object here is of. Null: nothing that is known.</param>
    /// <param name="field">The field whose value this is. Null: it belongs to none.</param>
    private static void Value(ref Utf8JsonReader json, MessageDescriptor? message, FieldDescriptor? field, string at, Findings found)
    {
        var isId = IsId(field);
        switch (json.TokenType)
        {
            case JsonTokenType.StartArray when field is not { IsRepeated: false }:
                for (var index = 0; json.Read() && json.TokenType != JsonTokenType.EndArray; index++) Value(ref json, message, field, $"{at}[{index}]", found);
                break;
            case JsonTokenType.Number when isId && json.ValueSpan.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0:
                found.Numbers.Add((int)json.TokenStartIndex..((int)json.TokenStartIndex + json.ValueSpan.Length));
                break;
            case not (JsonTokenType.String or JsonTokenType.Null) when isId:
                found.Add(at, $"must be a string or a whole number that is not negative, not {Seen(ref json)}.");
                json.Skip();
                break;
            case JsonTokenType.StartObject when message is not null:
                HashSet<string> seen = [];
                while (json.Read() && json.TokenType != JsonTokenType.EndObject)
                {
                    var name = json.GetString()!;
                    json.Read();
                    if (message.Fields.InDeclarationOrder().FirstOrDefault(one => one.JsonName == name || one.Name == name) is not { } member)
                    {
                        // The parser refuses it. A path of such names could be as long as the body, for each of its members.
                        json.Skip();
                        continue;
                    }
                    var path = at.Length == 0 ? name : $"{at}.{name}";
                    // userId and user_id are the same field. Which value of two counts differs between parsers.
                    if (!seen.Add(member.Name)) found.Add(path, "must be there once.");
                    Value(ref json, member.FieldType == FieldType.Message ? member.MessageType : null, member, path, found);
                }
                break;
            default:
                json.Skip();
                break;
        }
    }

    private static string Seen(ref Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        _ when json.ValueSpan.Length > 64 => $"{json.ValueSpan.Length} characters of a number",
        _ => Encoding.UTF8.GetString(json.ValueSpan),
    };

    /// <param name="Numbers">Where ids are whole numbers, in UTF-8.</param>
    /// <param name="Violations">The first ones of a very wrong request.</param>
    private sealed record Findings(List<Range> Numbers, List<(string Field, string Description)> Violations)
    {
        private const int ViolationsMax = 20;

        public void Add(string field, string description)
        {
            if (Violations.Count < ViolationsMax) Violations.Add((field, description));
        }
    }
}
