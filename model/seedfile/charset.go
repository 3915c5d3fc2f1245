package seedfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"tokensmith/model"
)

// AutoCharset is a value for charset. The charset is then that of the byte order mark, or the result of ownCharset, or UTF-8. A
// file in none of these is refused.
const AutoCharset = "auto"

// charsetNames are labels that people use and that the WHATWG's table does not have, without blanks, dashes, underscores and
// colons.
var charsetNames = map[string]string{
	"ansi": "windows-1252", "westerneuropean": "windows-1252", "utf8sig": "utf-8", "utf8bom": "utf-8", "utf16": "utf-16le", "unicode": "utf-16le",
	"ucs2": "utf-16le", "utf16be": "utf-16be", "utf16le": "utf-16le", "mac": "macintosh", "macroman": "macintosh", "sjis": "shift_jis",
	"932": "shift_jis", "936": "gbk", "949": "euc-kr", "950": "big5", "65001": "utf-8", // Windows code pages whose names do not begin with windows-
}

// Charset returns the encoding with a label from the WHATWG's table or with an IANA name. Blanks, dashes and underscores may
// differ, and "ANSI" is Windows-1252. It returns nil for an unknown label.
func Charset(label string) encoding.Encoding {
	label = strings.ToLower(strings.TrimSpace(label))
	if enc := charsetNamed(label); enc != nil {
		return enc
	}
	flat := strings.NewReplacer(" ", "", "-", "", "_", "", ":", "").Replace(label)
	if usual, ok := charsetNames[strings.TrimPrefix(flat, "cp")]; ok {
		return charsetNamed(usual)
	}
	number := strings.TrimLeft(flat, "abcdefghijklmnopqrstuvwxyz")
	word := strings.TrimSuffix(flat, number)
	spellings := []string{flat, word + "-" + number, word + "_" + number}
	switch word {
	case "", "cp", "windows":
		spellings = append(spellings, "windows-"+number, "cp"+number, "ibm"+number)
	case "iso":
		if part, ok := strings.CutPrefix(number, "8859"); ok {
			spellings = append(spellings, "iso-8859-"+part)
		}
	}
	for _, s := range spellings {
		if enc := charsetNamed(s); enc != nil {
			return enc
		}
	}
	return nil
}

func charsetNamed(label string) encoding.Encoding {
	if enc, err := htmlindex.Get(label); err == nil {
		return enc
	}
	for _, index := range []*ianaindex.Index{ianaindex.IANA, ianaindex.MIME} {
		if enc, err := index.Encoding(label); err == nil && enc != nil {
			return enc
		}
	}
	return nil
}

// isUTF8 returns whether an encoding is UTF-8.
func isUTF8(enc encoding.Encoding) bool {
	canonical, err := htmlindex.Name(enc)
	return err == nil && canonical == "utf-8"
}

// DecodeBytes decodes bytes in an encoding. A byte order mark has priority, as the WHATWG specifies. If a character cannot be
// decoded, ok is false and line is its line.
func DecodeBytes(raw []byte, enc encoding.Encoding) (text []byte, line int, ok bool) {
	text, _, err := transform.Bytes(unicode.BOMOverride(enc.NewDecoder()), raw)
	if err != nil {
		return nil, 0, false
	}
	// A U+FFFD that was in the bytes comes from an earlier program, and is refused later where it matters.
	if at := bytes.IndexRune(text, utf8.RuneError); at >= 0 {
		return nil, 1 + bytes.Count(text[:at], []byte("\n")), false
	}
	return text, 0, true
}

// Decode decodes a text whose bytes a client sent as if each were a character. Without a charset, or with UTF-8, it returns the
// text unchanged. With another charset, a text with only characters up to U+00FF is converted back to bytes and decoded. A text
// with other characters was decoded correctly before and is returned unchanged. An unknown charset, or a text that is not valid
// in it, is model.Invalid for attrs.charset.
func Decode(text, charset string) (string, error) {
	if reason := noText([]byte(text[:min(len(text), 16)])); reason != "" {
		return "", unreadable(0, "%s", reason)
	}
	label := strings.TrimSpace(charset)
	if label == "" {
		return text, nil
	}
	auto := strings.EqualFold(label, AutoCharset)
	enc := encoding.Encoding(unicode.UTF8)
	if !auto {
		if enc = Charset(label); enc == nil {
			return "", model.AttrErrorf(model.Invalid, "attrs.charset", "the charset %s is not known", shown(label))
		}
		if isUTF8(enc) {
			return text, nil
		}
	}
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF || r == utf8.RuneError {
			return text, nil
		}
		raw = append(raw, byte(r))
	}
	if auto {
		if said := ownCharset(raw[:min(len(raw), ownBytes)]); said != nil && (isUTF16(said) || !utf8.Valid(raw)) {
			enc = said
		}
	}
	out, line, ok := DecodeBytes(raw, enc)
	switch {
	case ok:
		return string(out), nil
	case auto:
		return "", model.AttrErrorf(model.Invalid, "attrs.charset", "line %d is not UTF-8: name the charset of the file, "+
			"such as windows-1252", max(1, line))
	}
	return "", model.AttrErrorf(model.Invalid, "attrs.charset", "line %d is not %s", max(1, line), shown(label))
}

// NewReader returns a reader that converts a file in a charset to UTF-8. A byte order mark has priority. For "" and AutoCharset,
// the charset is detected from the file (ownCharset); the default is UTF-8. An XML declaration is used only if r is a file at its
// beginning. An unknown charset is model.Invalid.
func NewReader(r io.Reader, charset string) (io.Reader, error) {
	own := charset == "" || strings.EqualFold(charset, AutoCharset)
	enc := encoding.Encoding(unicode.UTF8)
	switch {
	case own:
		file, seekable := r.(io.ReadSeeker)
		front := bufio.NewReaderSize(r, ownBytes)
		head, _ := front.Peek(ownBytes) // the next read returns the same error
		said := ownCharset(head)
		switch {
		case said == nil:
		case isUTF16(said):
			enc = said
		case seekable && !isUTF8(said):
			// The declaration is often older than the file. If the file is valid UTF-8, ignore the declaration.
			_, invalid := io.Copy(io.Discard, transform.NewReader(front, encoding.UTF8Validator))
			if _, err := file.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
			front.Reset(file)
			if errors.Is(invalid, encoding.ErrInvalidUTF8) {
				enc = said
			}
		}
		r = front
	default:
		if enc = Charset(charset); enc == nil {
			return nil, model.Errorf(model.Invalid, "the charset %s is not known", shown(charset))
		}
	}
	r = &evenReader{r: r, marked: isUTF16(enc)}
	if isUTF8(enc) {
		// Bytes that are not UTF-8 stay unchanged, so that they are refused at their place.
		return withoutMarks(transform.NewReader(r, unicode.BOMOverride(transform.Nop))), nil
	}
	return withoutMarks(transform.NewReader(r, unicode.BOMOverride(enc.NewDecoder()))), nil
}

// withoutMarks removes byte order marks at the beginning. There may be several, because programs add one before that of another
// program.
func withoutMarks(r io.Reader) io.Reader {
	front := bufio.NewReader(r)
	for {
		if mark, _ := front.Peek(3); string(mark) != "\ufeff" { // the next read returns the same error
			return front
		}
		front.Discard(3)
	}
}

// ownBytes is how much of a file is used to detect its charset.
const ownBytes = 512

// ownCharset detects the charset of bytes without a byte order mark: UTF-16 by the zero bytes of ASCII characters, or the charset
// in an XML declaration, unless the bytes contradict it. It returns nil if it finds neither.
func ownCharset(head []byte) encoding.Encoding {
	if len(head) >= 4 && utf8.Valid(head[:2]) {
		switch even, odd := zeros(head, 0), zeros(head, 1); {
		case even == 0 && odd > len(head)/4:
			return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
		case odd == 0 && even > len(head)/4:
			return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
		}
	}
	if found := xmlEncoding.FindSubmatch(head); found != nil {
		if enc := Charset(string(found[1])); enc != nil && !isUTF16(enc) {
			return enc
		}
	}
	return nil
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml\s[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']`)

// zeros counts the zero bytes at every second position.
func zeros(b []byte, from int) (n int) {
	for i := from; i < len(b); i += 2 {
		n += one(b[i] == 0)
	}
	return n
}

// isUTF16 returns whether an encoding is UTF-16, whose characters have two or four bytes.
func isUTF16(enc encoding.Encoding) bool {
	canonical, err := htmlindex.Name(enc)
	return strings.HasPrefix(fmt.Sprint(enc), "UTF-16") || err == nil && strings.HasPrefix(canonical, "utf-16")
}

// evenReader returns an error for UTF-16 that ends in the middle of a character, which a decoder would turn into U+FFFD.
type evenReader struct {
	r      io.Reader
	marked bool // the bytes are UTF-16, according to a byte order mark or otherwise
	n      int64
	first  byte
}

func (e *evenReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	for i := 0; i < n && e.n+int64(i) < 2; i++ {
		if e.n+int64(i) == 0 {
			e.first = p[i]
		} else if mark := [2]byte{e.first, p[i]}; mark == [2]byte{0xFE, 0xFF} || mark == [2]byte{0xFF, 0xFE} {
			e.marked = true
		}
	}
	e.n += int64(n)
	if err == io.EOF && e.marked && e.n%2 != 0 {
		err = unreadable(0, "the file is UTF-16 and ends in the middle of a character: it is probably not complete")
	}
	return n, err
}
