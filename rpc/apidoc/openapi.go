package apidoc

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/rpc/dispatch"
	"tokensmith/rpc/object"
	"tokensmith/rpc/wire"
)

// OpenAPI returns the OpenAPI 3.1 document of all methods, for a server at a URL or path prefix.
func (d *Docs) OpenAPI(server, version string) ([]byte, error) {
	paths := schema{}
	for i := range d.table {
		m := &d.table[i]
		paths["/"+m.Path] = schema{"post": d.operation(m)}
	}
	return json.Marshal(schema{
		"openapi": "3.1.0",
		"info": schema{"title": "tokensmith", "version": version,
			"description": "Every method is called by POST; its body is the parameter object, its answer an envelope whose " +
				"error is 0 when it succeeded."},
		"servers":  []schema{{"url": server}},
		"security": []schema{{"basic": []string{}}, {"oauth": []string{}}, {"certificate": []string{}}},
		"tags":     d.tags(),
		"paths":    paths,
		"components": schema{"schemas": schemas(), "responses": responses(), "securitySchemes": schema{
			"basic":       schema{"type": "http", "scheme": "basic", "description": "client id and secret"},
			"oauth":       schema{"type": "oauth2", "flows": schema{"clientCredentials": schema{"tokenUrl": strings.TrimRight(server, "/") + "/" + dispatch.TokenPath, "scopes": schema{}}}},
			"certificate": schema{"type": "mutualTLS"},
		}},
	}, json.Deterministic(true), jsontext.WithIndent(" "))
}

func (d *Docs) tags() (list []schema) {
	seen := map[string]bool{}
	for _, m := range d.table {
		noun, _, _ := strings.Cut(m.Path, "/")
		if !seen[noun] {
			seen[noun] = true
			list = append(list, schema{"name": noun})
		}
	}
	return list
}

func (d *Docs) operation(m *dispatch.Method) schema {
	noun, _, _ := strings.Cut(m.Path, "/")
	about := m.About
	if m.Reveals {
		about += " Reveals a secret: only the permission of exactly this name, or *, allows it."
	}
	op := schema{
		"operationId": strings.ReplaceAll(m.Path, "/", "."), "tags": []string{noun}, "summary": m.About, "description": about,
		"requestBody": schema{"content": schema{"application/json": schema{"schema": d.parameterSchema(m), "example": jsontext.Value(d.example(m))}}},
		"responses":   d.responsesOf(m),
	}
	if m.Device {
		op["security"] = []schema{{}}
	}
	return op
}

// parameterSchema returns the JSON schema of a method's parameter object.
func (d *Docs) parameterSchema(m *dispatch.Method) schema {
	object := func() (schema, schema, *[]string) {
		properties, required := schema{}, []string{}
		return schema{"type": "object", "properties": properties}, properties, &required
	}
	all, properties, _ := object()
	attrs, attributes, required := object()
	for _, p := range d.parameters(m) {
		if name, ok := strings.CutPrefix(p.Name, "attrs."); ok {
			attributes[name] = p.schema
			if p.Required && p.schema["$ref"] == nil { // a reference may also be given as dotted members, so it is not required by itself
				*required = append(*required, name)
			}
			continue
		}
		properties[p.Name] = p.schema
	}
	if len(attributes) > 0 {
		if len(*required) > 0 && m.Path != "token/create" { // token/create also imports files, and then has other parameters
			attrs["required"] = *required
		}
		attrs["description"] = "A related object may also be named by dotted members, such as \"product.id\"."
		properties["attrs"] = attrs
	}
	return all
}

func (d *Docs) responsesOf(m *dispatch.Method) schema {
	if m.Stream {
		return schema{"200": schema{"description": "a stream of events", "content": schema{"text/event-stream": schema{"schema": schema{"type": "string"}}}}}
	}
	noun, verb, _ := strings.Cut(m.Path, "/")
	var result schema
	if o := object.Types[noun]; o != nil {
		ref := schema{"$ref": "#/components/schemas/" + o.Name}
		switch verb {
		case "get":
			result = ref
		case "create":
			if result = ref; slices.ContainsFunc(d.parameters(m), func(p Parameter) bool { return p.Name == "count" }) {
				result = schema{"anyOf": []schema{ref, {"type": "array", "items": ref, "description": "with count"}}}
			}
		case "search":
			result = schema{"type": "object", "properties": schema{"total": schema{"type": "integer"}, "rows": schema{"type": "array", "items": ref},
				"next": schema{"type": "string", "description": "the cursor of the next page"}}}
		}
	}
	envelope := schema{"$ref": "#/components/schemas/Envelope"}
	if result != nil {
		envelope = schema{"allOf": []schema{envelope}, "properties": schema{"result": schema{"anyOf": []schema{result, {"$ref": "#/components/schemas/Detail"}}}}}
	}
	all := schema{"200": schema{"description": "what the method answered, refusals included", "content": schema{"application/json": schema{"schema": envelope}}}}
	for _, status := range []string{"401", "403", "413", "429", "500", "503"} {
		all[status] = schema{"$ref": "#/components/responses/" + status}
	}
	return all
}

func responses() schema {
	all := schema{}
	for status, about := range map[string]string{"401": "the caller is not authenticated", "403": "the caller is not permitted", "413": "the request is too large",
		"429": "too many requests; Retry-After says when to try again", "500": "internal error", "503": "temporarily unavailable, try again"} {
		all[status] = schema{"description": about, "content": schema{"application/json": schema{"schema": schema{"$ref": "#/components/schemas/Envelope"}}}}
	}
	return all
}

// schemas returns the schemas that operations refer to: one for each object, and the common ones.
func schemas() schema {
	all := schema{
		"Envelope": schema{"type": "object", "required": []string{"error"}, "properties": schema{"error": errorSchema(),
			"message": schema{"type": "string"}, "result": schema{}}},
		"Detail": schema{"type": "object", "description": "of a refusal, such as the attribute it is about"},
		"Selector": schema{"type": []string{"object", "null"}, "description": "selects exactly one object by its id or by " +
			"another unique attribute: {\"serial\":\"10000000\"}, {\"domain.name\":\"d\",\"loginName\":\"u\"}; a user's loginName may be a principal name, or have a domain in front: {\"loginName\":\"d\\\\u\"}"},
		"Match": schema{"type": []string{"array", "object"}, "description": "[[name, operator, value], ...]: all must " +
			"hold; operators are = != >> << ~= like > < >= <= in",
			"items": schema{}},
		"Return": schema{"type": []string{"array", "string", "object"}, "description": "names, dotted names, \"*\", and " +
			"nested forms such as {\"users\":[\"loginName\"]}", "items": schema{}},
	}
	for _, o := range object.Types {
		properties := schema{}
		for i := range o.Attrs {
			if a := &o.Attrs[i]; a.Kind != object.Secret {
				properties[a.Name] = attrSchema(a)
			}
		}
		for _, c := range o.Collections {
			properties[c.Name] = schema{"type": []string{"array", "object"}, "items": schema{"$ref": "#/components/schemas/" + c.Object}}
		}
		for _, name := range o.EmptyCollections {
			properties[name] = schema{"type": []string{"array", "object"}, "readOnly": true, "description": "not kept by this server: always empty"}
		}
		for _, name := range o.EmptyTexts {
			properties[name] = schema{"type": "null", "readOnly": true, "description": "not kept by this server"}
		}
		all[o.Name] = schema{"type": "object", "properties": properties}
	}
	return all
}

// errorSchema lists the possible error codes with their meanings. It uses constants, which OpenAPI 3.1 recommends for values with
// descriptions.
func errorSchema() schema {
	var values []schema
	for _, e := range wire.Errors() {
		values = append(values, schema{"const": e.Code, "description": e.Meaning})
	}
	return schema{"type": "integer", "oneOf": values,
		"description": "0 = success. A code never changes its meaning; later versions may have further ones, each a failure."}
}
