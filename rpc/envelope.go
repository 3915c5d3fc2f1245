package rpc

import (
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"tokensmith/model"
)

// readArgs decodes a parameter object into a method's arguments; a refusal names the place.
func readArgs(params jsontext.Value, args any) error {
	err := json.Unmarshal(params, args)
	if err == nil {
		return nil
	}
	var known *model.Error
	if errors.As(err, &known) {
		return known
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		place := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
		if place == "" {
			return model.Errorf(model.Unreadable, "the parameters must be an object")
		}
		return model.AttrErrorf(model.Invalid, place, "a value of this kind does not fit here")
	}
	return &model.Error{Kind: model.Unreadable, Msg: "the request cannot be read", Err: err}
}

const successBegins = `{"error":0,"result":`

// success gives the envelope of a reply; nil has no result.
func success(result any) ([]byte, error) {
	if result == nil {
		return []byte(`{"error":0}`), nil
	}
	body := append(make([]byte, 0, 256), successBegins...)
	if raw, ok := result.(jsontext.Value); ok {
		body = append(body, raw...)
	} else {
		value, err := json.Marshal(result)
		if err != nil {
			return nil, err
		}
		body = append(body, value...)
	}
	return append(body, '}'), nil
}

// failure gives the envelope of an error.
func failure(e *model.Error) []byte {
	body := append(make([]byte, 0, 128), `{"error":`...)
	body = strconv.AppendInt(body, int64(codeOf(e).number), 10)
	body = append(body, `,"message":`...)
	body, _ = jsontext.AppendQuote(body, e.Msg)
	if e.Detail != nil {
		if detail, err := json.Marshal(e.Detail); err == nil {
			body = append(append(body, `,"result":`...), detail...)
		}
	}
	return append(body, '}')
}

// envelopeHeader is what every envelope has; nobody changes its values.
var envelopeHeader = http.Header{
	"Content-Type":           {"application/json; charset=utf-8"},
	"Cache-Control":          {"no-store"},
	"X-Content-Type-Options": {"nosniff"},
}

func writeEnvelope(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	maps.Copy(h, envelopeHeader)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// noted puts notes behind the members of a reply, if there are any.
func noted(reply jsontext.Value, notes ...string) jsontext.Value {
	if len(notes) == 0 {
		return reply
	}
	b := append([]byte(nil), reply[:len(reply)-1]...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(b, `"notes":[`...)
	for i, n := range notes {
		if i > 0 {
			b = append(b, ',')
		}
		b, _ = jsontext.AppendQuote(b, n)
	}
	return append(b, "]}"...)
}

// withMember adds a member to a JSON object.
func withMember(object jsontext.Value, name, value string) jsontext.Value {
	b := append([]byte(nil), object[:len(object)-1]...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	b, _ = jsontext.AppendQuote(b, name)
	b, _ = jsontext.AppendQuote(append(b, ':'), value)
	return append(b, '}')
}
