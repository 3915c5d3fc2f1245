package seedfile

import (
	"fmt"
	"strings"
	"unicode"

	"tokensmith/model"
)

// A first line is read as a header when it names the columns of serial and seed. One that names others, or these by other words, must
// not be taken for a row: its words would be a serial and, as many words are base32, a seed that anybody can guess.

// headerWithout says why a first line that oathHeader does not take is a header all the same, and what it lacks; "" when it is a row.
// next is the row behind it, header what it names.
func headerWithout(row, next []string, header *oathLayout, encoding Encoding) (reason string) {
	if !readsLikeHeader(row, next, encoding) {
		return ""
	}
	var named []string
	for _, column := range row {
		if column = strings.TrimSpace(column); column != "" {
			named = append(named, name(column))
		}
	}
	lacks := "serial or the seed"
	switch {
	case header[colSerial] >= 0:
		lacks = "seed"
	case header[colSeed] >= 0:
		lacks = "serial"
	}
	return fmt.Sprintf("the first line is a header (%.200s), and none of its columns is known to hold the %s: name them serial and seed", strings.Join(named, ", "), lacks)
}

// readsLikeHeader tells whether a first line names columns: one of those that are known, or words where a seed would stand.
func readsLikeHeader(row, next []string, encoding Encoding) bool {
	known := false
	for i, column := range row {
		if sureSeed(column, encoding) {
			return false
		}
		_, is := oathColumns[columnName(column)]
		known = known || is || i < 2 && idleColumns[flatName(column)]
	}
	if known || len(row) < 2 {
		return known
	}
	if seedWords(row[1], encoding) {
		return true
	}
	// Words of other languages: no digit stands in them, and one in the serial behind them; a seed would be as long as the next.
	return next != nil && !hasDigit(strings.Join(row, "")) && hasDigit(at(next, 0)) && len(model.Pasted(row[1])) != len(model.Pasted(at(next, 1)))
}

// repeatsHeader tells whether a row further on is the header of another file that was put behind the first.
func repeatsHeader(serial, seed string, encoding Encoding) bool {
	return serial != "" && !hasDigit(serial) && seedWords(seed, encoding)
}

// sureSeed tells whether a field can hardly be anything but a seed: it has digits as a seed has, or is in the encoding that the caller
// named and no words.
func sureSeed(field string, encoding Encoding) bool {
	if encoding == Base64 {
		seed, ok := Base64.decode(field)
		return ok && len(seed) >= 10 && hasDigit(field) && !seedWords(field, encoding)
	}
	return (isSeed(field) || isSeed(model.Pasted(field))) && hasDigit(field) && !seedWords(field, encoding)
}

// seedWords tells whether a field that could be a seed is words about one: it is in two cases, which base32 is not and hex hardly ever,
// or has a word that headers have.
func seedWords(field string, encoding Encoding) bool {
	field = strings.TrimSpace(field)
	lower := strings.ToLower(field)
	for _, word := range []string{"secret", "shared", "serial", "token", "geheim", "schl\u00fcssel", "schluessel", "secreto", "segret", "semilla", "hexseed", "seedhex"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	for _, part := range strings.FieldsFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		switch part {
		case "seed", "key", "base32", "base64", "hex", "otp", "value", "values", "code", "data":
			return true
		}
	}
	if encoding == Base64 || strings.ToUpper(field) == field || lower == field || hasDigit(strings.TrimRight(field, "0123456789")) {
		return false
	}
	_, isHex := Hex.decode(field)
	_, isBase32 := Base32.decode(field)
	return isBase32 && !isHex
}

func hasDigit(s string) bool { return strings.IndexFunc(s, unicode.IsDigit) >= 0 }
