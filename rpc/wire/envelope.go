// Package wire defines what clients send and receive: the envelope, the members of an object, match and return, and the only
// table of error codes. It knows nothing about callers, objects or the database.
package wire

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

// ReadArgs decodes a parameter object into a method's arguments. An error names the place.
func ReadArgs(params jsontext.Value, args any) error {
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
		return model.AttrErrorf(model.Invalid, place, "a value of this type is not allowed here")
	}
	return &model.Error{Kind: model.Unreadable, Msg: "the request cannot be read", Err: err}
}

const SuccessStart = `{"error":0,"result":`

// Success returns the envelope of a successful reply. For a nil result, the envelope has no member result.
func Success(result any) ([]byte, error) {
	if result == nil {
		return []byte(`{"error":0}`), nil
	}
	body := append(make([]byte, 0, 256), SuccessStart...)
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

// Failure returns the envelope of an error.
func Failure(e *model.Error) []byte {
	body := append(make([]byte, 0, 128), `{"error":`...)
	body = strconv.AppendInt(body, int64(CodeOf(e).Number), 10)
	body = append(body, `,"message":`...)
	body, _ = jsontext.AppendQuote(body, e.Msg)
	if e.Detail != nil {
		if detail, err := json.Marshal(e.Detail); err == nil {
			body = append(append(body, `,"result":`...), detail...)
		}
	}
	return append(body, '}')
}

// EnvelopeHeader holds the headers of every envelope. It must not be changed.
var EnvelopeHeader = http.Header{
	"Content-Type":           {"application/json; charset=utf-8"},
	"Cache-Control":          {"no-store"},
	"X-Content-Type-Options": {"nosniff"},
}

// WriteEnvelope replies with an envelope and an HTTP status.
func WriteEnvelope(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	maps.Copy(h, EnvelopeHeader)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	w.Write(body)
}

// WithNotes appends the notes, if there are any, to the members of a reply.
func WithNotes(reply jsontext.Value, notes ...string) jsontext.Value {
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

// WithMember appends a member to a JSON object.
func WithMember(object jsontext.Value, name, value string) jsontext.Value {
	b := append([]byte(nil), object[:len(object)-1]...)
	if len(b) > 1 {
		b = append(b, ',')
	}
	b, _ = jsontext.AppendQuote(b, name)
	b, _ = jsontext.AppendQuote(append(b, ':'), value)
	return append(b, '}')
}
