package dialect

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// space skips white space and comments. It stops at a comment that is not closed.
func (d *dialect) space() {
	for d.pos < len(d.in) {
		rest := d.in[d.pos:]
		n := spaceRune(rest)
		switch {
		case n > 0:
		case bytes.HasPrefix(rest, []byte("//")):
			if n = bytes.IndexAny(rest, "\r\n"); n < 0 {
				n = len(rest)
			}
		case bytes.HasPrefix(rest, []byte("/*")):
			if n = bytes.Index(rest[2:], []byte("*/")); n < 0 {
				return
			}
			n += 4
		default:
			return
		}
		d.pos += n
	}
}

// spaceRune returns the size of the white space character at the beginning of text; 0 if there is none. It includes what web
// pages put between words: non-breaking and zero-width spaces and the byte order mark.
func spaceRune(text []byte) int {
	r, size := utf8.DecodeRune(text)
	if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
		return size
	}
	return 0
}

// commentAt returns whether text begins with a comment.
func commentAt(text []byte) bool {
	return len(text) > 1 && text[0] == '/' && (text[1] == '/' || text[1] == '*')
}

// wordRune returns the size of the character at an offset if it can be part of a word; else 0.
func (d *dialect) wordRune(offset int) int {
	rest := d.in[offset:]
	if len(rest) == 0 || quoteAt(rest) != notQuote || spaceRune(rest) > 0 || commentAt(rest) {
		return 0
	}
	r, size := utf8.DecodeRune(rest)
	switch r {
	case ',', ':', '[', ']', '{', '}', '\\':
		return 0
	}
	if unicode.IsControl(r) {
		return 0
	}
	return size
}

// separatorAt returns whether a word that ends at an offset is followed by a separator or the end.
func (d *dialect) separatorAt(offset int) bool {
	rest := d.in[offset:]
	return len(rest) == 0 || bytes.IndexByte([]byte(",:[]{}"), rest[0]) >= 0 || spaceRune(rest) > 0 || commentAt(rest)
}

// quoteKind is a kind of quote.
type quoteKind uint8

const (
	notQuote quoteKind = iota
	plainDouble
	plainSingle
	curlyDouble
	curlySingle
)

// closedBy returns whether a string that q opens ends at other. A plain quote needs the same quote, so that there may be
// typographic ones inside the string. A typographic quote, from a word processor, may be closed by any quote that is double or
// single like itself.
func (q quoteKind) closedBy(other quoteKind) bool {
	switch q {
	case curlyDouble:
		return other == curlyDouble || other == plainDouble
	case curlySingle:
		return other == curlySingle || other == plainSingle
	}
	return other == q
}

// quoteAt returns the kind of the quote at the beginning of text.
func quoteAt(text []byte) quoteKind {
	r, _ := utf8.DecodeRune(text)
	switch r {
	case '"':
		return plainDouble
	case '\'':
		return plainSingle
	case '\u201c', '\u201d', '\u201e', '\u201f':
		return curlyDouble
	case '\u2018', '\u2019', '\u201a', '\u201b':
		return curlySingle
	}
	return notQuote
}

// quoteSize returns the size of the quote at the beginning of text; 0 if there is none.
func quoteSize(text []byte) int {
	if quoteAt(text) == notQuote {
		return 0
	}
	_, size := utf8.DecodeRune(text)
	return size
}
