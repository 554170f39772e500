using System.Net.Mime;
using System.Text.Json.Serialization;
using Google.Protobuf.Reflection;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Orders;

/// <summary>The description of the HTTP API: OpenAPI 3.1 at /openapi/v1.json. docs/openapi/v1.json is the same document, checked in.</summary>
internal static class OrderOpenApi
{
    private const string Bearer = "bearer";

    /// <summary>The problems that any operation can answer, and when.</summary>
    private static readonly ProblemResponse[] Problems =
    [
        new(StatusCodes.Status400BadRequest, "A field is wrong; errors names each."),
        new(StatusCodes.Status401Unauthorized, "The bearer token is missing or not valid. Only with Auth__Mode=jwt."),
        new(StatusCodes.Status403Forbidden, "The order is another user's, or a page of another site asks."),
        new(StatusCodes.Status429TooManyRequests, "Over a limit; the request did nothing. Retry-After says when to try again."),
        new(StatusCodes.Status503ServiceUnavailable, "The sidecar, or what is behind it, did not answer. The order may have been placed; repeat the request with the same Idempotency-Key."),
    ];

    public static void Configure(OpenApiOptions options)
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            Describe(document);
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(async (operation, context, ct) =>
        {
            context.Document!.AddComponent("Problem", await context.GetOrCreateSchemaAsync(typeof(ProblemJson), cancellationToken: ct));
            foreach (var problem in context.Description.ActionDescriptor.EndpointMetadata.OfType<ProblemResponse>().Concat(Problems).OrderBy(one => one.Status))
            {
                operation.Responses!.Add($"{problem.Status}", new OpenApiResponse
                {
                    Description = problem.When,
                    Content = Content(MediaTypeNames.Application.ProblemJson, new OpenApiSchemaReference("Problem", context.Document)),
                });
            }
            operation.Security = [new(), new() { [new OpenApiSecuritySchemeReference(Bearer, context.Document)] = [] }];
        });
        // What is null is left out of an answer.
        options.AddSchemaTransformer((schema, _, _) =>
        {
            schema.Required?.ExceptWith(schema.Properties!.Where(one => one.Value.Type?.HasFlag(JsonSchemaType.Null) == true).Select(one => one.Key));
            return Task.CompletedTask;
        });
    }

    public static void DescribePlaceOrder(this RouteHandlerBuilder place, string idempotencyKeyHeader) => place
        .WithName("PlaceOrder")
        .DescribePlacing(idempotencyKeyHeader, "The order could not succeed now; errors has each reason. Nothing was placed.");

    public static void DescribePayOrder(this RouteHandlerBuilder pay, string idempotencyKeyHeader) => pay
        .WithName("PayOrder")
        .DescribePlacing(idempotencyKeyHeader,
            "The order could not succeed now; errors has each reason. Nothing was placed. Or it was refused when it was carried out: "
            + "title is the reason, and order is the order, FAILED, whose compensation says what is undone.");

    /// <param name="unprocessable">When the answer is 422.</param>
    private static void DescribePlacing(this RouteHandlerBuilder place, string idempotencyKeyHeader, string unprocessable) => place
        .Produces<OrderJson>(StatusCodes.Status201Created)
        .WithMetadata(
            new ProblemResponse(StatusCodes.Status404NotFound, "There is no such product, account or coupon."),
            new ProblemResponse(StatusCodes.Status409Conflict, "The idempotency key was used with other content."),
            new ProblemResponse(StatusCodes.Status413PayloadTooLarge, "The body has more than 256 KiB."),
            new ProblemResponse(StatusCodes.Status415UnsupportedMediaType, "The body is not JSON in UTF-8, or its content type does not say so."),
            new ProblemResponse(StatusCodes.Status422UnprocessableEntity, unprocessable))
        .AddOpenApiOperationTransformer((operation, _, _) =>
        {
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = true,
                Content = Content(MediaTypeNames.Application.Json, ToSchema(ReflectionWithComments.Find(Shop.V1.PlaceOrderRequest.Descriptor))),
            };
            operation.Parameters!.Add(new OpenApiParameter
            {
                Name = idempotencyKeyHeader,
                In = ParameterLocation.Header,
                Description = "The same user and key is the same order. At most 128 characters. Absent: every request is a new order.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
            return Task.CompletedTask;
        });

    public static void DescribeGetOrder(this RouteHandlerBuilder get) => get
        .WithName("GetOrder")
        .Produces<OrderJson>()
        .WithMetadata(new ProblemResponse(StatusCodes.Status404NotFound, "There is no such order."));

    /// <summary>A problem that an operation answers, and when.</summary>
    private sealed record ProblemResponse(int Status, string When);

    private static void Describe(OpenApiDocument document)
    {
        document.Info = new()
        {
            Title = "Orders",
            Version = "v1",
            Description = "Places an order, which a saga then confirms or fails, or carries it out at once, and reads it. Amounts are in won, times in UTC.",
            License = new() { Name = "MIT", Identifier = "MIT" },
        };
        // Relative to where the document is read: the port is the operator's.
        document.Servers = [];
        document.Components ??= new();
        document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
        {
            [Bearer] = new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT", Description = "Needed with Auth__Mode=jwt, ignored otherwise.",
            },
        };
    }

    private static Dictionary<string, OpenApiMediaType> Content(string type, IOpenApiSchema schema) => new() { [type] = new() { Schema = schema } };

    /// <summary>The JSON form of a protobuf message, in which 64-bit numbers are numbers or strings, and ids strings or whole numbers.</summary>
    private static OpenApiSchema ToSchema(MessageDescriptor message) => new()
    {
        Type = JsonSchemaType.Object,
        AdditionalPropertiesAllowed = false,
        Properties = message.Fields.InDeclarationOrder().ToDictionary(field => field.JsonName, IOpenApiSchema (field) =>
        {
            var schema = field.IsRepeated ? new() { Type = JsonSchemaType.Array, Items = ToSchema(field) } : ToSchema(field);
            schema.Description = string.Join(' ', field.Declaration!.LeadingComments.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
            return schema;
        }),
    };

    private static OpenApiSchema ToSchema(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Message => ToSchema(field.MessageType),
        FieldType.String when JsonIds.IsId(field) => new() { Type = JsonSchemaType.String | JsonSchemaType.Integer },
        FieldType.String => new() { Type = JsonSchemaType.String },
        FieldType.Bool => new() { Type = JsonSchemaType.Boolean },
        FieldType.Int32 => new() { Type = JsonSchemaType.Integer, Format = "int32" },
        FieldType.Int64 => new() { Type = JsonSchemaType.Integer | JsonSchemaType.String, Format = "int64" },
        var other => throw new NotSupportedException($"{field.FullName} is a {other}, whose JSON has no schema here."),
    };
}
