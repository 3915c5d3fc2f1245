package seedfile

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"

	"tokensmith/model"
)

// Decode reads a text whose bytes a client sent as if each were a character. With charset UTF-8 or none the text is
// returned as it is. With another, a text whose characters are all at most U+00FF is turned back into bytes and decoded;
// a text with other characters was decoded properly already and is returned as it is. An unknown charset is
// model.Invalid for attrs.charset.
func Decode(text, charset string) (string, error) {
	label := strings.TrimSpace(charset)
	if label == "" {
		return text, nil
	}
	enc, err := htmlindex.Get(label)
	if err != nil {
		enc, err = ianaindex.IANA.Encoding(label)
	}
	if err != nil || enc == nil {
		return "", model.AttrErrorf(model.Invalid, "attrs.charset", "the charset %s is not known", shown(label))
	}
	if canonical, err := htmlindex.Name(enc); err == nil && canonical == "utf-8" {
		return text, nil
	}
	raw := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF || r == utf8.RuneError {
			return text, nil
		}
		raw = append(raw, byte(r))
	}
	out, err := enc.NewDecoder().Bytes(raw)
	if err != nil {
		return "", model.AttrErrorf(model.Invalid, "attrs.charset", "the text is not %s", shown(label))
	}
	return string(out), nil
}
