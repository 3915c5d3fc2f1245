// Package dialect turns the forgiving JSON dialect of old clients into strict JSON: text in, text out. Strict JSON is tried first.
package dialect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// SyntaxError says where a body cannot be read and why. Its message never repeats what the body says there, which
// may be a secret.
type SyntaxError struct {
	Line   int    // from 1; a line ends with \n, \r\n or \r
	Column int    // from 1, in characters; one past the last where something is missing at the end
	Msg    string // one sentence for the client
}

// Error says what is wrong and where.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// newSyntaxError turns an offset in bytes into a line and a column.
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

// ReadParams reads a body, in UTF-8, as one JSON value and returns it as strict JSON. It is read as strict JSON with
// the semantics of encoding/json/v2 first, and then the value returned is a part of body itself. What is not JSON is
// read in the documented dialect, unless strict forbids it. A body of nothing, or of white space, is the empty
// object; a byte order mark in front is dropped.
//
// Every error is a *SyntaxError. Invalid UTF-8 and a name given twice are refused in either reading, so they do not
// start the second. When both readings fail, the error is the dialect's.
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

// invalidUTF8 returns the offset of the first byte that is not UTF-8, -1 if there is none.
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

// readDialect translates the dialect that the documented examples of this API are written in, and their clients with
// them, into strict JSON. JSON is a part of the dialect and keeps its meaning; numbers stay as written. What the
// dialect allows beyond it:
//
//   - square brackets around members are an object: ["a":1]; braces that open on a square bracket are an array: {["a"],["b"]};
//   - commas between members or elements may be missing, and one may stand behind the last;
//   - comments of both kinds are white space, and so are non-breaking spaces and byte order marks;
//   - single and typographic quotes quote as well;
//   - strings may hold line breaks and other control characters; white space with a line break in it at the ends of
//     a name is none of the name's;
//   - a word needs no quotes, or has one at one end only (see word and string).
//
// A body of nothing but white space is the empty object. Nesting ends at dialectDepth. Every error is a
// *SyntaxError.
//
// The time is linear. The one place that reads text twice is string, which goes back to behind a quote when it read
// too far. What it read holds no other quote of the kind that opened it, except behind a backslash, and a backslash
// outside a string or comment is an error, so no string of that kind is opened in there again. Strings of one kind
// thus never overlap, and with four kinds of quotes no byte is read more than five times: once in a string of each
// kind, once in a word, white space or a comment. The result is at most six times as long as the body: a control
// character becomes an escape sequence.
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

// dialect is the state of one reading: in from pos on is still to be read, out is its translation so far.
type dialect struct {
	in    []byte
	pos   int
	out   []byte
	depth int
}

// fail makes the error for an offset. A comment that space could not skip is the reason for whatever fails at it.
func (d *dialect) fail(offset int, msg string) error {
	if bytes.HasPrefix(d.in[offset:], []byte("/*")) {
		msg = "this comment is not closed"
	}
	return newSyntaxError(d.in, offset, msg)
}

// at reports whether c is the next byte.
func (d *dialect) at(c byte) bool { return d.pos < len(d.in) && d.in[d.pos] == c }

// value reads a value of any kind; white space before it is already read.
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

// bracketed is an object or array being read.
type bracketed struct {
	start   int // in out
	members bool
	plain   bool // has an element that is not a member, so is an array
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
			d.pos++
			d.space()
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

// item reads one member or element of l. The first item between brackets decides which of them all must be.
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
