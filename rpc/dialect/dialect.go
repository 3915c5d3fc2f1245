// Package dialect converts the lenient JSON dialect of old clients to strict JSON, from text to text. It tries strict JSON first.
package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// SyntaxError says where and why a body cannot be read. Its message never quotes the body, which may contain a secret.
type SyntaxError struct {
	Line   int    // starting at 1; a line ends with \n, \r\n or \r
	Column int    // starting at 1, in characters; one past the last if something is missing at the end
	Msg    string // one sentence for the client
}

// Error returns the message with its position.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// newSyntaxError returns an error with an offset in bytes converted to line and column.
func newSyntaxError(body []byte, offset int, msg string) *SyntaxError {
	line, start := 1, 0
	for i, c := range body[:offset] {
		if c == '\n' || c == '\r' && (i+1 == len(body) || body[i+1] != '\n') {
			line, start = line+1, i+1
		}
	}
	return &SyntaxError{line, 1 + utf8.RuneCount(body[start:offset]), msg}
}

const (
	dialectDepth = 100 // how deep objects and arrays may be nested in the dialect

	notUTF8   = "the text is not valid UTF-8"
	nameTwice = "a name is given twice in one object"
)

// ReadParams reads a body, in UTF-8, as one JSON value and returns it as strict JSON. First it reads the body as strict JSON with
// the rules of encoding/json/v2; then the returned value is a part of body itself. A body that is not JSON is read in the
// documented dialect, unless strict is set. A body that is empty or white space means the empty object. A byte order mark at the
// beginning is ignored.
//
// Every error is a *SyntaxError. Invalid UTF-8 and duplicate names are errors in both cases, so the dialect is not tried for
// them. If both fail, the error is that of the dialect.
func ReadParams(body []byte, strict bool) (jsontext.Value, error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	value, err := readStrict(body)
	switch {
	case err == nil:
		return value, nil
	case strict || err.Msg == notUTF8 || err.Msg == nameTwice:
		return nil, err
	}
	return readDialect(body)
}

// readStrict reads one JSON value as encoding/json/v2 does.
func readStrict(body []byte) (jsontext.Value, *SyntaxError) {
	if at := invalidUTF8(body); at >= 0 {
		return nil, newSyntaxError(body, at, notUTF8)
	}
	decoder := jsontext.NewDecoder(bytes.NewBuffer(body))
	value, err := decoder.ReadValue()
	var syntactic *jsontext.SyntacticError
	switch {
	case err == io.EOF:
		return jsontext.Value("{}"), nil
	case errors.As(err, &syntactic):
		msg := syntactic.Err.Error()
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			msg = nameTwice
		case errors.Is(err, io.ErrUnexpectedEOF):
			msg = "the body ends too early"
		}
		return nil, newSyntaxError(body, int(syntactic.ByteOffset), msg)
	case err != nil:
		return nil, newSyntaxError(body, int(decoder.InputOffset()), err.Error())
	}
	rest := bytes.TrimLeft(body[decoder.InputOffset():], " \t\r\n")
	if len(rest) > 0 {
		return nil, newSyntaxError(body, len(body)-len(rest), "only white space may follow the value")
	}
	return value, nil
}

// invalidUTF8 returns the offset of the first byte that is not valid UTF-8; -1 if there is none.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
}

// readDialect converts the dialect to strict JSON. The examples in the documentation of the original API use this dialect, and so
// do its clients. JSON is a part of the dialect and keeps its meaning; numbers stay as written. In addition, the dialect allows:
//
//   - Square brackets around members are an object: ["a":1]. Braces that begin with a square bracket are an array: {["a"],["b"]}.
//   - Commas between members or elements may be missing, and there may be one after the last. There may be a second one if a
//     comment stands between the two.
//   - Comments of both kinds are white space, and so are non-breaking spaces and byte order marks.
//   - Single and typographic quotes may be used as quotes.
//   - Strings may contain line breaks and other control characters. White space with a line break at the beginning or end of a
//     name is not part of the name.
//   - A word needs no quotes, or may have only one, at its beginning or end (see word and string).
//
// A body that is only white space means the empty object. The depth of nesting is limited by dialectDepth. Every error is a
// *SyntaxError.
//
// The time is linear. Only string reads text twice: if it has read too far, it goes back to the position after a quote. The text
// that it has read contains no other quote of the kind that opened it, except after a backslash, and a backslash outside a string
// or comment is an error. Therefore no string of that kind begins again in this text, and strings of one kind never overlap. With
// four kinds of quotes, no byte is read more than five times: once in a string of each kind, and once in a word, white space or a
// comment. The result is at most six times as long as the body, because a control character becomes an escape sequence.
func readDialect(body []byte) ([]byte, error) {
	if at := invalidUTF8(body); at >= 0 {
		return nil, newSyntaxError(body, at, notUTF8)
	}
	d := dialect{in: body, out: make([]byte, 0, len(body)+2)}
	d.space()
	if d.pos == len(d.in) {
		return []byte("{}"), nil
	}
	if err := d.value(); err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(d.in) {
		return nil, d.fail(d.pos, "only white space and comments may follow the value")
	}
	return d.out, nil
}

// dialect is the state of one conversion. in is unread from pos on; out is the result so far.
type dialect struct {
	in    []byte
	pos   int
	out   []byte
	depth int
}

// fail returns an error at an offset. If there is a comment that is not closed, which space could not skip, that is the reason.
func (d *dialect) fail(offset int, msg string) error {
	if bytes.HasPrefix(d.in[offset:], []byte("/*")) {
		msg = "this comment is not closed"
	}
	return newSyntaxError(d.in, offset, msg)
}

// at returns whether c is the next byte.
func (d *dialect) at(c byte) bool { return d.pos < len(d.in) && d.in[d.pos] == c }

// value reads a value of any kind. White space before it must be read already.
func (d *dialect) value() error {
	switch {
	case d.at('{'):
		return d.items('}')
	case d.at('['):
		return d.items(']')
	}
	_, err := d.scalar()
	return err
}

// bracketed is an object or array that is being read.
type bracketed struct {
	start   int // offset of its beginning in out
	members bool
	plain   bool // it has an element that is not a member, so it is an array
	names   map[string]struct{}
}

// items reads an object or array up to its closing bracket.
func (d *dialect) items(closing byte) error {
	opened := d.pos
	if d.depth++; d.depth > dialectDepth {
		return d.fail(opened, fmt.Sprintf("objects and arrays are nested more than %d deep", dialectDepth))
	}
	l := bracketed{start: len(d.out), members: closing == '}'}
	d.out = append(d.out, d.in[d.pos])
	d.pos++
	for first := true; ; first = false {
		d.space()
		if !first && d.at(',') {
			from := d.pos
			d.pos++
			d.space()
			if d.at(',') && bytes.IndexByte(d.in[from:d.pos], '/') > 0 { // the comma of a member that was commented out
				d.pos++
				d.space()
			}
		}
		if d.at(closing) {
			break
		}
		if d.pos == len(d.in) {
			from := newSyntaxError(d.in, opened, "")
			return d.fail(d.pos, fmt.Sprintf("the bracket opened at line %d, column %d is not closed", from.Line, from.Column))
		}
		if !first {
			d.out = append(d.out, ',')
		} else if d.at('[') {
			l.members, d.out[l.start] = false, '['
		}
		if err := d.item(&l); err != nil {
			return err
		}
	}
	d.pos++
	d.depth--
	end := byte(']')
	if l.members {
		end = '}'
	}
	d.out = append(d.out, end)
	return nil
}

// item reads one member or element of l. The first item in square brackets decides whether all of them are members.
func (d *dialect) item(l *bracketed) error {
	if !l.members && (d.at('{') || d.at('[')) {
		l.plain = true
		return d.value()
	}
	start, mark := d.pos, len(d.out)
	text, err := d.scalar()
	if err != nil {
		return err
	}
	d.space()
	switch {
	case !d.at(':') && l.members:
		return d.fail(d.pos, "a colon is expected after a name")
	case !d.at(':'):
		l.plain = true
		return nil
	case l.plain:
		return d.fail(d.pos, "a member cannot stand among the elements of an array")
	}
	d.pos++
	l.members, d.out[l.start] = true, '{'
	d.makeName(text, mark)
	name := string(d.out[mark:])
	if _, twice := l.names[name]; twice {
		return d.fail(start, nameTwice)
	}
	if l.names == nil {
		l.names = map[string]struct{}{}
	}
	l.names[name] = struct{}{}
	d.out = append(d.out, ':')
	d.space()
	return d.value()
}
