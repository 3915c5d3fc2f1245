package seedfile

import (
	"strings"
)

// The upload file of Entra ID has a header with at least upn, serial number, secret key and time interval. Its rows are
// time-based keys with seeds in base32. upn, which may be empty, becomes Key.User.

var entraColumns = []oathColumn{colUser, colSerial, colSeed, colPeriod}

func readEntra(src *source, f *File, opts Options) error {
	return readRows(src, f, opts, rowDialect{
		rows:      func(src *source) rowReader { return openCSV(src, 0) },
		header:    entraColumns,
		encoding:  Base32,
		algorithm: TOTP,
	})
}

func isEntra(line string) bool {
	row := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",;|\t\"", r) })
	layout, _, _, ok := oathHeader(row)
	return ok && layout[colPeriod] >= 0 && strings.Contains(strings.ToLower(line), "upn")
}
