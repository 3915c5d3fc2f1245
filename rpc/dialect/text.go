package dialect

import (
	"bytes"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// scalarText is what makeName needs to know about a string, number or literal that was written to out.
type scalarText struct {
	bare   bool   // a number, true, false or null, without quotes in out
	quoted []byte // the text between the quotes of a string that has both quotes
}

// scalar reads a string or a word.
func (d *dialect) scalar() (scalarText, error) {
	switch {
	case d.pos == len(d.in):
		return scalarText{}, d.fail(d.pos, "a value is missing at the end")
	case quoteAt(d.in[d.pos:]) != notQuote:
		return d.string()
	case d.wordRune(d.pos) > 0:
		return d.word(false), nil
	}
	return scalarText{}, d.fail(d.pos, "a name or a value is expected here")
}

// string reads a string from its opening quote on. If the closing quote is missing, or cannot close this string because a word
// continues directly after it, the string is only the word after the opening quote.
func (d *dialect) string() (scalarText, error) {
	start, mark := d.pos, len(d.out)
	size := quoteSize(d.in[start:])
	end, err := d.quoted()
	if err != nil {
		return scalarText{}, err
	}
	if end >= 0 && d.wordRune(d.pos) == 0 {
		return scalarText{quoted: d.in[start+size : end]}, nil
	}
	d.pos, d.out = start+size, d.out[:mark]
	if d.wordRune(d.pos) == 0 {
		return scalarText{}, d.fail(start, "a quote opens a string here that is not closed")
	}
	return d.word(true), nil
}

// quoted reads a string from its opening quote to after its closing one. It returns the offset of the closing quote; -1 if the body
// ends before.
func (d *dialect) quoted() (end int, err error) {
	opening := quoteAt(d.in[d.pos:])
	d.pos += quoteSize(d.in[d.pos:])
	d.out = append(d.out, '"')
	for d.pos < len(d.in) {
		c := d.in[d.pos]
		switch {
		case opening.closedBy(quoteAt(d.in[d.pos:])):
			end = d.pos
			d.pos += quoteSize(d.in[d.pos:])
			d.out = append(d.out, '"')
			return end, nil
		case c == '\\':
			if err := d.escape(opening); err != nil {
				return -1, err
			}
			continue
		case c == '"' || c < ' ':
			d.out = appendEscaped(d.out, rune(c))
		default:
			n := 1 + ordinary(d.in[d.pos+1:])
			d.out = append(d.out, d.in[d.pos:d.pos+n]...)
			d.pos += n
			continue
		}
		d.pos++
	}
	return -1, nil
}

// ordinary returns how many bytes at the beginning of text have no special meaning in any string.
func ordinary(text []byte) int {
	for i, c := range text {
		if c < ' ' || c == '"' || c == '\'' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return len(text)
}

// escape reads an escape sequence of JSON, or an escaped single quote between single quotes.
func (d *dialect) escape(opening quoteKind) error {
	rest := d.in[d.pos:]
	if len(rest) > 1 {
		if i := bytes.IndexByte([]byte(`"\/bfnrt`), rest[1]); i >= 0 {
			d.out = appendEscaped(d.out, rune("\"\\/\b\f\n\r\t"[i]))
			d.pos += 2
			return nil
		}
		if rest[1] == '\'' && (opening == plainSingle || opening == curlySingle) {
			d.out = append(d.out, '\'')
			d.pos += 2
			return nil
		}
	}
	size := 6
	r, ok := hexEscape(rest)
	if ok && 0xd800 <= r && r < 0xdc00 {
		low, _ := hexEscape(rest[size:])
		ok = 0xdc00 <= low && low < 0xe000
		r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
		size = 12
	}
	if !ok || 0xdc00 <= r && r < 0xe000 {
		return d.fail(d.pos, "JSON has no such escape sequence")
	}
	d.out = appendEscaped(d.out, r)
	d.pos += size
	return nil
}

// hexEscape parses the \uXXXX at the beginning of text.
func hexEscape(text []byte) (r rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, c := range text[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// appendEscaped appends a character in the form that it has between the quotes of a JSON string. Each character has only one
// form, so that equal names are equal in out.
func appendEscaped(out []byte, r rune) []byte {
	const short = "\"\\\b\f\n\r\t"
	switch i := bytes.IndexRune([]byte(short), r); {
	case i >= 0:
		return append(out, '\\', `"\bfnrt`[i])
	case r < ' ':
		return append(out, '\\', 'u', '0', '0', '0'+byte(r>>4), "0123456789abcdef"[r&0xf])
	}
	return utf8.AppendRune(out, r)
}

// word reads characters up to white space, a comma, colon, bracket, quote or comment. A quote after them belongs to the word if
// the word ends there anyway. A word is a string, unless it has no quotes and is a JSON number, true, false or null. opened says
// that it had a quote at its beginning.
func (d *dialect) word(opened bool) scalarText {
	start := d.pos
	for n := d.wordRune(d.pos); n > 0; n = d.wordRune(d.pos) {
		d.pos += n
	}
	text := d.in[start:d.pos]
	if size := quoteSize(d.in[d.pos:]); size > 0 && d.separatorAt(d.pos+size) {
		d.pos += size
		opened = true
	}
	if !opened && isLiteral(text) {
		d.out = append(d.out, text...)
		return scalarText{bare: true}
	}
	d.out = append(append(append(d.out, '"'), text...), '"')
	return scalarText{}
}

// isLiteral returns whether a word without quotes keeps its type.
func isLiteral(word []byte) bool {
	switch c := word[0]; {
	case c == '-' || '0' <= c && c <= '9':
		return jsontext.Value(word).IsValid()
	}
	return string(word) == "true" || string(word) == "false" || string(word) == "null"
}

// makeName converts the scalar at the end of out, from mark on, to the name of a member. A number or literal gets quotes. If a
// line break separates the name from its quotes, as in a printed example ("⏎attrs"), the white space around it is removed.
func (d *dialect) makeName(text scalarText, mark int) {
	if text.bare {
		d.out = append(d.out, `""`...)
		copy(d.out[mark+1:len(d.out)-1], d.out[mark:])
		d.out[mark] = '"'
		return
	}
	const breaking = " \t\r\n"
	if bytes.IndexByte(text.quoted, '\n') < 0 && bytes.IndexByte(text.quoted, '\r') < 0 ||
		len(bytes.Trim(text.quoted, breaking)) == 0 {
		return
	}
	lead := escapedBreak(text.quoted[:len(text.quoted)-len(bytes.TrimLeft(text.quoted, breaking))])
	tail := escapedBreak(text.quoted[len(bytes.TrimRight(text.quoted, breaking)):])
	name := d.out[mark+1 : len(d.out)-1]
	d.out = append(append(d.out[:mark+1], name[lead:len(name)-tail]...), '"')
}

// escapedBreak returns the length in out of white space that contains a line break; 0 if it contains none.
func escapedBreak(space []byte) int {
	if !bytes.ContainsAny(space, "\r\n") {
		return 0
	}
	return 2*len(space) - bytes.Count(space, []byte(" "))
}
