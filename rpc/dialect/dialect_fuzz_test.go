package dialect

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// meaning returns the meaning of a JSON value: decoded strings, numbers as their literals, and names in order.
func meaning(t *testing.T, value []byte) []string {
	t.Helper()
	var tokens []string
	decoder := jsontext.NewDecoder(bytes.NewReader(value))
	for {
		token, err := decoder.ReadToken()
		if err == io.EOF {
			return tokens
		}
		if err != nil {
			t.Fatalf("%v in %q", err, value)
		}
		tokens = append(tokens, string(token.Kind())+token.String())
	}
}

func addBodies(f *testing.F) {
	for _, test := range append(append([]dialectCase{}, dialectCases...), seedCases...) {
		f.Add([]byte(test.in))
	}
	for _, in := range []string{tooDeep, `["a\`, `[\]`, `["\ud83d"]`, "[\"\xff\"]", `{"a":1,"a":2}`, "{} /*", `[""x"]`, `["a”b'c]`} {
		f.Add([]byte(in))
	}
}

// FuzzDialectReadsJSON checks that everything that is JSON for the strict decoder has the same meaning when it is read as the
// dialect.
func FuzzDialectReadsJSON(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if !jsontext.Value(body).IsValid() {
			return
		}
		got, err := readDialect(body)
		if err != nil {
			if strings.Contains(err.Error(), "nested more than") {
				return
			}
			t.Fatalf("%q: %v", body, err)
		}
		if diff := cmp.Diff(meaning(t, body), meaning(t, got)); diff != "" {
			t.Errorf("%q (-strict +dialect):\n%s", body, diff)
		}
	})
}

// FuzzReadParams checks that every body is either refused with a position inside it or read as strict JSON, that a result can be
// read again and is then unchanged, and that the strict reader accepts nothing that the tolerant one refuses or reads otherwise.
func FuzzReadParams(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		value, err := ReadParams(body, false)
		strict, strictErr := ReadParams(body, true)
		inside(t, body, err)
		inside(t, body, strictErr)
		if strictErr == nil && (err != nil || !bytes.Equal(value, strict)) {
			t.Fatalf("%q: strictly %q, tolerantly %q, %v", body, strict, value, err)
		}
		if err != nil {
			return
		}
		if !value.IsValid() {
			t.Fatalf("%q is read as %q", body, value)
		}
		again, err := readDialect(value)
		if err != nil {
			if strings.Contains(err.Error(), "nested more than") {
				return
			}
			t.Fatalf("%q is read as %q, that as %v", body, value, err)
		}
		if diff := cmp.Diff(meaning(t, value), meaning(t, again)); diff != "" {
			t.Errorf("%q is read as %q, that as (-want +got):\n%s", body, value, diff)
		}
	})
}

// inside checks that an error has a position in the body or right after its end.
func inside(t *testing.T, body []byte, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var at *SyntaxError
	if !errors.As(err, &at) {
		t.Fatalf("%q: %T has no position", body, err)
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(body))
	lines := strings.Split(text, "\n")
	if at.Line < 1 || at.Line > len(lines) || at.Column < 1 || at.Column > len([]rune(lines[at.Line-1]))+1 {
		t.Fatalf("%q has no %v", body, err)
	}
	if at.Msg == "" || strings.ContainsAny(at.Msg, "\r\n") {
		t.Fatalf("%q: the message is %q", body, at.Msg)
	}
}
