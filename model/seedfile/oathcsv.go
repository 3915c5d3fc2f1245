package seedfile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"tokensmith/model"
)

// OATH CSV is not standardized. These forms are read:
//
//   - Without a header: serial, seed[, type[, digits[, period or counter[, hash]]]], and serial, seed, counter.
//   - With a header: the columns of oathColumns in any order, with names in any case. Two columns with the same meaning, and a
//    column that is neither known nor in idleColumns, refuse the file.
//
// type is hotp or totp; ocra is refused with its name. A column "algorithm" contains types or, as in key URIs, hashes. The fifth
// column is the period of a totp row and the counter of a hotp row. A period in a named column makes a row totp, as in files of
// SafeID. If a file without a header has types in some rows, the other rows are hotp, as in files of NetIQ, unless the product
// says otherwise. Lines that start with # are comments. Fields are separated by commas, semicolons, tabs or vertical bars, or by
// the character that a first line sep= names.
//
// The encoding of seeds is that of the column encode, or else of Options.Encoding. Otherwise all seeds have one encoding, hex or
// base32, which is guessed from the first 32 KiB: the one in which most of the seeds can be read. A seed with only the letters A
// to F and the digits 2 to 7 could be both; if all are like this, they are hex. A random base32 seed of 16 characters is like
// this once in 6 million. A seed that cannot be read in the encoding of the others is refused, and with it the import.

// oathColumns maps the names of columns, as returned by columnName, to their meaning.
var oathColumns = map[string]oathColumn{
	"serial": colSerial, "serialnumber": colSerial, "serialno": colSerial, "tokenserial": colSerial, "tokenserialnumber": colSerial,
	"s/n": colSerial, "sn": colSerial, "seriennummer": colSerial,
	"id": colKeyID, "keyid": colKeyID,
	"seed": colSeed, "secret": colSeed, "secretkey": colSeed, "key": colSeed, "otpkey": colSeed, "tokenseed": colSeed, "sharedsecret": colSeed,
	"type": colType, "tokentype": colType, "otptype": colType, "algorithm": colAlgorithm,
	"digits": colDigits, "otplen": colDigits, "length": colDigits, "responselength": colDigits, "otplength": colDigits, "otpdigits": colDigits,
	"numberofdigits": colDigits, "noofdigits": colDigits, "codelength": colDigits,
	"period": colPeriod, "timestep": colPeriod, "interval": colPeriod, "timeinterval": colPeriod, "timewindow": colPeriod, "timeperiod": colPeriod,
	"counter": colCounter, "movingfactor": colCounter, "eventcounter": colCounter, "initialcounter": colCounter, "startcounter": colCounter,
	"drift": colDrift, "timedrift": colDrift,
	"hash": colHash, "hashlib": colHash, "crypto": colHash, "suite": colHash, "hashalgorithm": colHash, "hashfunction": colHash,
	"encode": colEncode, "encoding": colEncode, lineColumn: colLine,
	"user": colUser, "username": colUser, "loginname": colUser, "upn": colUser,
	"issuer": colIssuer, "manufacturer": colManufacturer, "model": colModel, "description": colDescription,
}

// idleColumns are columns that have no influence on the OTPs, with names as returned by flatName.
var idleColumns = map[string]bool{"comment": true, "comments": true, "note": true, "notes": true, "remark": true, "remarks": true,
	"location": true, "color": true, "colour": true, "email": true, "mail": true, "firstname": true, "lastname": true, "displayname": true,
	"batch": true, "batchno": true, "lot": true, "order": true, "orderno": true, "ordernumber": true, "customer": true, "vendor": true,
	"productiondate": true, "manufacturedate": true, "purchasedate": true}

// lineColumn is the column with the line number in the original file, in a file that OATHTable wrote from another file. Such a
// file is read literally: no spreadsheet has changed it, and it has no comments.
const lineColumn = "tokensmithline"

type oathColumn int

const (
	colSerial oathColumn = iota
	colKeyID
	colSeed
	colType
	colDigits
	colPeriod
	colCounter
	colDrift
	colHash
	colEncode
	colUser
	colIssuer
	colManufacturer
	colModel
	colDescription
	colFactor    // without a header, the fifth column: period or counter
	colAlgorithm // a type or a hash
	colLine      // see lineColumn
	oathColumnCount
)

// oathLayout is the index of each column; -1 if there is none.
type oathLayout [oathColumnCount]int

// oathHeader parses a header. ok is false if the row is not a header. twice says which two columns have the same meaning.
func oathHeader(row []string) (layout oathLayout, unknown []string, twice string, ok bool) {
	for i := range layout {
		layout[i] = -1
	}
	for i, column := range row {
		c, known := oathColumns[columnName(column)]
		switch {
		case known && layout[c] < 0:
			layout[c] = i
		case known && twice == "":
			twice = fmt.Sprintf("columns %s and %s have the same meaning: keep only one of them", name(row[layout[c]]), name(column))
		case !known && strings.TrimSpace(column) != "":
			unknown = append(unknown, strings.TrimSpace(column))
		}
	}
	return layout, unknown, twice, layout[colSerial] >= 0 && layout[colSeed] >= 0
}

// columnName returns the flat name of a column without a unit, as in timestep (s), and without a mark at the end, as in serial
// no. and serial #.
func columnName(column string) string {
	column = strings.TrimRight(strings.TrimSpace(column), ".#: ")
	if at := strings.IndexAny(column, "(["); at > 0 && unitOf.MatchString(column[at:]) {
		column = column[:at]
	}
	return flatName(column)
}

var unitOf = regexp.MustCompile(`^[(\[](?i:s|sec|secs|second|seconds)[)\]]$`)

func isOATHHeader(line string) bool {
	_, _, _, ok := oathHeader(strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",;|\t\"", r) }))
	return ok
}

var headerlessOATH = func() (l oathLayout) {
	for i := range l {
		l[i] = -1
	}
	l[colSerial], l[colSeed], l[colType], l[colDigits], l[colFactor], l[colHash] = 0, 1, 2, 3, 4, 5
	return l
}()

func readOATHCSV(src *source, f *File, opts Options) error {
	return readRows(src, f, opts, rowDialect{rows: func(src *source) rowReader {
		c := openCSV(src, '#')
		c.comments = ignores(opts.Ignore, "#")
		return c
	}})
}

// at returns the field i of a row, trimmed; "" if there is none.
func at(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[i])
}

// oathRow converts a row to a key, or returns why it cannot.
func oathRow(row []string, layout *oathLayout, encoding Encoding, algorithm string) (k Key, reason string) {
	exact, named := layout[colLine] >= 0, layout[colFactor] < 0
	field := func(c oathColumn) string {
		if exact {
			return at(row, layout[c])
		}
		return model.Cell(at(row, layout[c]), c == colSerial)
	}
	seed := field(colSeed)
	if !exact {
		if reason := misplaced(row, field(colSerial), seed, named); reason != "" {
			return k, reason
		}
		if repeatsHeader(field(colSerial), seed, encoding) {
			return k, "the line looks like a header, not like a row"
		}
	}
	k.Serial, k.Algorithm = field(colSerial), algorithm
	k.KeyID, k.User, k.Issuer, k.Manufacturer = field(colKeyID), field(colUser), field(colIssuer), field(colManufacturer)
	k.Model, k.Description = field(colModel), field(colDescription)
	for _, of := range []struct{ what, value string }{{"serial", k.Serial}, {"key id", k.KeyID}, {"user", k.User}, {"seed", seed},
		{"issuer", k.Issuer}, {"manufacturer", k.Manufacturer}, {"model", k.Model}} {
		if reason := sheetReason(of.what, of.value); reason != "" && !exact {
			return k, reason
		}
	}
	if seed == "" {
		return k, "the seed is missing"
	}
	ok := true
	factor, kind := field(colFactor), field(colType)
	if s := field(colAlgorithm); s != "" {
		if hash, isHash := hashName(s); isHash {
			k.Hash = hash
		} else if kind == "" || strings.EqualFold(kind, s) {
			kind = s
		} else if strings.EqualFold(s, HOTP) || strings.EqualFold(s, TOTP) {
			return k, fmt.Sprintf("type is %s, but algorithm is %s", shown(kind), shown(s))
		} else {
			return k, fmt.Sprintf("algorithm %s is not a supported type or hash", shown(s))
		}
	}
	switch strings.ToLower(kind) {
	case "":
	case "hotp":
		k.Algorithm = HOTP
	case "totp":
		k.Algorithm = TOTP
	case "ocra", "ocra2":
		return k, "OCRA keys are not supported"
	default:
		// Without a header, a third column with only digits is a counter.
		if _, ok = counterValue(kind); !ok || named || filled(row) > 3 {
			return k, fmt.Sprintf("type %s is not supported, only hotp or totp", shown(kind))
		}
		k.Algorithm, factor = HOTP, kind
		k.note("the third column was read as a counter; if it is a period, put totp and the digits in front of it, or name " +
			"the columns in the first line")
	}
	if s := field(colDigits); s != "" {
		if k.Digits, ok = digitCount(s); !ok {
			return k, fmt.Sprintf("digits %s are not supported, only 6 or 8", shown(s))
		}
	}
	period, counter := field(colPeriod), field(colCounter)
	switch {
	case factor == "":
	case k.Algorithm == HOTP:
		counter = factor
	case k.Algorithm == TOTP:
		period = factor
	default:
		return k, "the last column may be a period or a counter: give the type, hotp or totp"
	}
	if filled(row) > 6 && !named {
		return k, "the row has more than 6 fields, and there is no header that names them"
	}
	if named && k.Algorithm == "" && period != "" {
		k.Algorithm = TOTP
	}
	switch {
	case period == "":
	case k.Algorithm == HOTP:
		k.note("the period was not used, because the key is event-based")
	default:
		if k.Period, ok = positive(period); !ok {
			return k, fmt.Sprintf("period %s is not a number of seconds", shown(period))
		}
	}
	switch {
	case counter == "", counter == "0":
	case k.Algorithm == TOTP:
		k.note("the counter was not used, because the key is time-based")
	default:
		if k.Counter, ok = counterValue(counter); !ok {
			return k, fmt.Sprintf("counter %s is not a number of 0 or more", shown(counter))
		}
	}
	if s := field(colDrift); s != "" {
		if k.Drift, ok = signed(s); !ok {
			return k, fmt.Sprintf("drift %s is not a number of steps", shown(s))
		}
	}
	if s := field(colHash); s != "" {
		hash, ok := hashName(s)
		switch {
		case !ok:
			return k, fmt.Sprintf("hash %s is not supported", shown(s))
		case k.Hash != "" && k.Hash != hash:
			return k, fmt.Sprintf("hash is %s, but algorithm is %s", hash, k.Hash)
		}
		k.Hash = hash
	}
	if s := field(colEncode); s != "" {
		if encoding, ok = encodingName(s); !ok {
			return k, fmt.Sprintf("encode %s is not supported, only HEX, BASE32 or BASE64", shown(s))
		}
		if other := otherThanBase64(seed); encoding == Base64 && other != "" {
			return k, fmt.Sprintf("the seed looks like %s, but encode is BASE64", other)
		}
	}
	if k.Secret, ok = encoding.decode(seed); !ok {
		return k, encoding.mismatch(seed)
	}
	return k, ""
}

// misplaced returns which values are in the wrong column, such as a seed in the column of the serial number, or a type in the
// first column. It shows none of them.
func misplaced(row []string, serial, seed string, named bool) string {
	const order = "; without a header the columns are serial, seed, type, digits, period or counter, hash: if they differ, " +
		"name them in the first line"
	switch {
	case !named && (strings.EqualFold(serial, HOTP) || strings.EqualFold(serial, TOTP)):
		return "the first column is the type" + order
	case looksSwapped(serial, seed):
		return "the serial looks like a seed: are the columns swapped?"
	case !named && !isSeed(seed):
		for i := range row {
			if i != 1 && isSeed(at(row, i)) && model.MayBeSeed(at(row, i)) {
				return "column " + strconv.Itoa(i+1) + " looks like a seed" + order
			}
		}
	}
	return ""
}

// looksSwapped returns whether the serial number is a seed and the seed is not, so that no message contains it.
func looksSwapped(serial, seed string) bool {
	return len(seed) < len(serial) && model.MayBeSeed(serial) && isSeed(serial) && !isSeed(seed)
}
