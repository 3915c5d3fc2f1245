package seedfile

import (
	"fmt"
	"strings"
	"unicode"

	"tokensmith/model"
)

// The first line is a header if it names the columns of the serial number and the seed. A first line with other names must not be
// read as a row: its words would become a serial number and, because many words are valid base32, a seed that anybody can guess.

// headerWithout returns why a first line that oathHeader does not accept is a header nevertheless, and what it lacks; "" if it is
// a row. next is the row after it. header is what it names.
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
	return fmt.Sprintf("the first line is a header (%.200s), but none of its columns is known as the %s: call them serial and seed", strings.Join(named, ", "), lacks)
}

// readsLikeHeader returns whether a first line names columns: known ones, or words in the place of a seed.
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
	// Words of another language: this line has no digits, but the next serial number has. If this were a seed, it would be as
	// long as the next one.
	return next != nil && !hasDigit(strings.Join(row, "")) && hasDigit(at(next, 0)) && len(model.CleanPasted(row[1])) != len(model.CleanPasted(at(next, 1)))
}

// repeatsHeader returns whether a later row is the header of another file that was appended to the first.
func repeatsHeader(serial, seed string, encoding Encoding) bool {
	return serial != "" && !hasDigit(serial) && seedWords(seed, encoding)
}

// sureSeed returns whether a field is almost certainly a seed: it contains digits as a seed does, or it is in the encoding that
// the caller named and is not words.
func sureSeed(field string, encoding Encoding) bool {
	if encoding == Base64 {
		seed, ok := Base64.decode(field)
		return ok && len(seed) >= 10 && hasDigit(field) && !seedWords(field, encoding)
	}
	return (isSeed(field) || isSeed(model.CleanPasted(field))) && hasDigit(field) && !seedWords(field, encoding)
}

// seedWords returns whether a field that could be a seed consists of words about seeds: it has upper and lower case, which base32
// never has and hex almost never, or contains a word from headers.
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
