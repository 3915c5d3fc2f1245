package seedfile

import (
	"fmt"
	"regexp"
	"strings"
)

// OATH CSV is not standardised. Read are
//
//   - without a header: serial, seed[, type[, digits[, period or counter]]], and serial, seed, counter;
//   - with a header: the columns of oathColumns in any order, the names in any case.
//
// type is hotp or totp; ocra is refused by name. The fifth column is the period of a totp row and the counter of a
// hotp row. Lines that start with # are comments. Fields are separated by commas, semicolons or tabs.
//
// Seeds are written as the column encode says, else as Options.Encoding says, else all in one way, decided over the
// first 32 KiB: as most of the seeds there can only be read, hex or base32. A seed of letters A to F and digits 2 to 7
// alone would be both; if all are, they are hex, which a random base32 seed of 16 characters is once in 6 million.
// One that cannot be read in the way of the others is refused, and with it the import.

// oathColumns maps the names of columns, in lower case and without spaces, dashes and underscores, to their meaning.
var oathColumns = map[string]oathColumn{
	"serial": colSerial, "serialnumber": colSerial, "serialno": colSerial, "tokenserial": colSerial,
	"id": colKeyID, "keyid": colKeyID,
	"seed": colSeed, "secret": colSeed, "secretkey": colSeed, "key": colSeed, "otpkey": colSeed,
	"type": colType, "tokentype": colType, "algorithm": colType,
	"digits": colDigits, "otplen": colDigits, "length": colDigits, "responselength": colDigits,
	"period": colPeriod, "timestep": colPeriod, "interval": colPeriod, "timeinterval": colPeriod, "timewindow": colPeriod,
	"counter": colCounter, "movingfactor": colCounter, "drift": colDrift, "timedrift": colDrift,
	"hash": colHash, "hashlib": colHash, "crypto": colHash, "suite": colHash,
	"encode": colEncode, "encoding": colEncode,
	"user": colUser, "username": colUser, "loginname": colUser, "upn": colUser,
	"issuer": colIssuer, "manufacturer": colManufacturer, "model": colModel, "description": colDescription,
}

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
	colFactor // the fifth column without a header: period or counter
	oathColumnCount
)

// oathLayout tells where each column is, -1 for nowhere.
type oathLayout [oathColumnCount]int

// oathHeader reads a header; false means that the row is not one.
func oathHeader(row []string) (layout oathLayout, unknown []string, ok bool) {
	for i := range layout {
		layout[i] = -1
	}
	for i, column := range row {
		c, known := oathColumns[flatName(column)]
		switch {
		case known && layout[c] < 0:
			layout[c] = i
		case strings.TrimSpace(column) != "":
			unknown = append(unknown, column)
		}
	}
	return layout, unknown, layout[colSerial] >= 0 && layout[colSeed] >= 0
}

func isOATHHeader(line string) bool {
	_, _, ok := oathHeader(strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ';' || r == '\t' }))
	return ok
}

var headerlessOATH = func() (l oathLayout) {
	for i := range l {
		l[i] = -1
	}
	l[colSerial], l[colSeed], l[colType], l[colDigits], l[colFactor] = 0, 1, 2, 3, 4
	return l
}()

func readOATHCSV(src *source, f *File, opts Options) error {
	comma := commaOf(src.peek(detectBytes))
	return readRows(src, f, opts, rowDialect{rows: func(src *source) rowReader { return newCSVReader(src, comma, '#') }})
}

// at is the field i of a row without surrounding space, or "".
func at(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	return strings.TrimSpace(row[i])
}

// oathRow makes a key of a row, or says why not.
func oathRow(row []string, layout *oathLayout, encoding Encoding, algorithm string) (k Key, reason string) {
	field := func(c oathColumn) string { return at(row, layout[c]) }
	seed := field(colSeed)
	if looksSwapped(field(colSerial), seed) {
		return k, "the serial looks like a seed: are the columns swapped?"
	}
	k.Serial, k.Algorithm = field(colSerial), algorithm
	k.KeyID, k.User, k.Issuer, k.Manufacturer = field(colKeyID), field(colUser), field(colIssuer), field(colManufacturer)
	k.Model, k.Description = field(colModel), field(colDescription)
	switch {
	case seed == "":
		return k, "the seed is missing"
	case mangled.MatchString(k.Serial):
		return k, "a spreadsheet has rounded the serial"
	}
	ok := true
	factor := field(colFactor)
	switch kind := field(colType); strings.ToLower(kind) {
	case "":
	case "hotp":
		k.Algorithm = HOTP
	case "totp":
		k.Algorithm = TOTP
	case "ocra", "ocra2":
		return k, "OCRA keys are not supported"
	default:
		// Without a header a third column of digits alone is a counter.
		if _, ok = counterValue(kind); !ok || layout[colFactor] < 0 || filled(row) > 3 {
			return k, fmt.Sprintf("type %s is not supported, only hotp or totp", shown(kind))
		}
		k.Algorithm, factor = HOTP, kind
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
		return k, "the last column is a period or a counter, and no type says which"
	}
	if filled(row) > 5 && layout[colFactor] >= 0 {
		return k, "it has more than 5 fields, and no header names them"
	}
	switch {
	case period == "":
	case k.Algorithm == HOTP:
		k.note("the period was not used, the key is event-based")
	default:
		if k.Period, ok = positive(period); !ok {
			return k, fmt.Sprintf("period %s is not a number of seconds", shown(period))
		}
	}
	switch {
	case counter == "", counter == "0":
	case k.Algorithm == TOTP:
		k.note("the counter was not used, the key is time-based")
	default:
		if k.Counter, ok = counterValue(counter); !ok {
			return k, fmt.Sprintf("counter %s is not a number", shown(counter))
		}
	}
	if s := field(colDrift); s != "" {
		if k.Drift, ok = signed(s); !ok {
			return k, fmt.Sprintf("drift %s is not a number of steps", shown(s))
		}
	}
	if s := field(colHash); s != "" {
		if k.Hash, ok = hashName(s); !ok {
			return k, fmt.Sprintf("hash %s is not supported", shown(s))
		}
	}
	if s := field(colEncode); s != "" {
		if encoding, ok = encodingName(s); !ok {
			return k, fmt.Sprintf("encode %s is not supported, only HEX, BASE32 or BASE64", shown(s))
		}
	}
	if k.Secret, ok = encoding.decode(seed); !ok {
		return k, encoding.mismatch()
	}
	return k, ""
}

// mismatch says that a seed is not written as the others.
func (e Encoding) mismatch() string {
	if e == "" {
		return "the seed is neither hex nor base32, or the file mixes both; say encode in a column"
	}
	return "the seed is not valid " + string(e)
}

// mangled is what spreadsheets make of long serials: 2.60014E+12.
var mangled = regexp.MustCompile(`^[0-9][.,][0-9]+E\+[0-9]+$`)

// looksSwapped tells whether what should be a serial is a seed and what should be a seed is not, so that no message
// shows it.
func looksSwapped(serial, seed string) bool {
	if len(serial) < 32 || len(seed) >= len(serial) {
		return false
	}
	_, isHex := Hex.decode(serial)
	_, isBase32 := Base32.decode(serial)
	return isHex || isBase32
}
