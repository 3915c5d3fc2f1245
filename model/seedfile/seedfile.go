// Package seedfile reads the files in which OTP keys change hands: a vendor's seed file, PSKC (RFC 6030), the CSV
// dialects of other servers, key URIs. It also reads the two CSV files that name tokens or users without keys
// (assign.go, users.go) and writes PSKC.
//
// The contract:
//
//   - A file is read as a stream: memory does not grow with the file, and no element, line or nesting grows without
//     bound. XML is never validated, expanded or fetched: a DOCTYPE or an entity of its own refuses the file.
//   - What a file does not say stays zero in Key, so that the product decides. What a file says and we cannot do is
//     refused with its row (an unknown hash, seven digits, OCRA); what is known to be harmless is reported in Notes, and
//     what is not known refuses the file unless Options.Ignore names it. Nothing is dropped in silence.
//   - A row that cannot be used goes to File.Bad and reading goes on. A fault of the file itself ends the reading with a
//     *model.Error: FileUnreadable names the line, FileKey says that a password, key or MAC does not fit, TooLarge that
//     MaxRows is passed. An error of the callback ends the reading and is returned as it is.
//   - Keys are handed over while the file is read, each only after its own MACs were verified. A fault further on still
//     ends with an error, so that a caller stores nothing for good before Read has returned, or reads the file once
//     beforehand with a callback that does nothing.
//   - No error, row error or note holds a seed, PIN, password or key.
package seedfile

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"tokensmith/model"
)

// Format is a kind of token file.
type Format string

// The kinds of token file. Auto (the zero value) means: recognise it by its content.
const (
	Auto       Format = ""
	VendorXML  Format = "vendor"      // <data><header><tokens> with manufacturerCode and productCode
	PSKC       Format = "pskc"        // RFC 6030
	OATHCSV    Format = "oath-csv"    // serial, seed[, type[, digits[, period or counter]]], or named columns
	YubicoCSV  Format = "yubico"      // log of the YubiKey personalisation tool
	EntraCSV   Format = "entra"       // upn, serial number, secret key, time interval, manufacturer, model
	SafeNetXML Format = "safenet-xml" // <Tokens><Token serial="..."> of SafeNet and Aladdin
	SafeNetDAT Format = "safenet-dat" // SafeWord authenticator records of SafeNet and Aladdin
	Feitian    Format = "feitian"     // lines of serial and seed with white space between
	OTPAuth    Format = "otpauth"     // otpauth:// key URIs, one a line; export payloads may stand among them
	Migration  Format = "migration"   // otpauth-migration:// payloads of Google Authenticator
)

// reader reads one format from src, filling f and handing keys to f.yield.
type reader func(src *source, f *File, opts Options) error

var readers = map[Format]reader{
	VendorXML:  readVendor,
	PSKC:       readPSKC,
	OATHCSV:    readOATHCSV,
	YubicoCSV:  readYubico,
	EntraCSV:   readEntra,
	SafeNetXML: readSafeNetXML,
	SafeNetDAT: readSafeNetDAT,
	Feitian:    readFeitian,
	OTPAuth:    readURIs,
	Migration:  readURIs,
}

// Formats lists the formats that Options.Format takes, in the order of documentation.
func Formats() []Format {
	return []Format{VendorXML, PSKC, OATHCSV, YubicoCSV, EntraCSV, SafeNetXML, SafeNetDAT, Feitian, OTPAuth, Migration}
}

// Options say how to read a file.
type Options struct {
	Format       Format       // Auto, or a format that overrules recognition
	Encoding     Encoding     // how seeds are written where the file itself does not say; "" means recognise
	Password     model.Secret // opens a PSKC file with a key derived from a password
	PreSharedKey model.Secret // opens a PSKC file with a pre-shared key; the key's bytes
	MaxRows      int          // rows, bad ones included, after which the file is refused as TooLarge; 0 means no limit
	Ignore       []string     // columns, parameters and elements that are not known and may be passed over all the same

	// Slowly runs the derivation of a key from a password, which is slow on purpose; its error ends Read. nil means at once.
	Slowly func(work func()) error
}

// File is what a token file says of itself, and what became of its rows.
type File struct {
	Format           Format
	ManufacturerCode string   // of the vendor XML's header
	ProductCode      string   // of the vendor XML's header
	Notes            []string // what holds for the file and was not used, each sentence once
	Keys             int      // keys handed over
	Bad              Bad      // rows refused
	Untyped          string   // the algorithm of keys without one, where no product says it; "" when the file leaves it open

	opts  Options
	yield func(*File, Key) error
	rows  int
}

// Read reads the token file r and hands each key over, in the order of the file. The File passed to yield is the one
// that is returned; its header fields are filled before the first key. When nothing of the file could be read the
// File is still not nil.
func Read(r io.Reader, opts Options, yield func(*File, Key) error) (*File, error) {
	f := &File{Format: opts.Format, opts: opts, yield: yield}
	src, err := newSource(r)
	if err != nil {
		return f, err
	}
	if f.Format == Auto {
		f.Format = Detect(src.peek(detectBytes))
	}
	read := readers[f.Format]
	switch {
	case read != nil:
	case opts.Format != Auto:
		return f, model.AttrErrorf(model.Invalid, "attrs.format", "not a format of token files")
	default:
		return f, undetected(src.peek(detectBytes))
	}
	if opts.Encoding != "" && !opts.Encoding.known() {
		return f, model.AttrErrorf(model.Invalid, "attrs.encode", "must be HEX, BASE32 or BASE64")
	}
	if err := read(src, f, opts); err != nil {
		return f, err
	}
	if f.rows == 0 {
		return f, unreadable(0, "the file has no keys")
	}
	return f, nil
}

// row counts a row and refuses the file when there are too many.
func (f *File) row() error {
	f.rows++
	if f.opts.MaxRows > 0 && f.rows > f.opts.MaxRows {
		return model.Errorf(model.TooLarge, "the file has more than %d rows", f.opts.MaxRows)
	}
	return nil
}

// key checks a key and hands it over, or lists it as bad.
func (f *File) key(k Key) error {
	if reason := k.check(); reason != "" {
		f.Bad.add(k.Line, k.Serial, reason)
		return nil
	}
	f.Keys++
	return f.yield(f, k)
}

// unknown decides on a column, parameter, element or attribute that is not known: one that is harmless, or is to be ignored, is passed
// over with a note, any other may be what the OTPs depend on.
func (f *File) unknown(what, called string, harmless map[string]bool) (reason string) {
	reason, said := f.judge(what, called, harmless)
	if reason == "" {
		f.note(said + " was not used")
	}
	return reason
}

// judge says why what is not known refuses the file, or nothing, and how it is called in a note.
func (f *File) judge(what, called string, harmless map[string]bool) (reason, said string) {
	said = what + " " + name(called)
	if strings.HasSuffix(what, "element") {
		said = what + " <" + name(called) + ">"
	}
	if !harmless[flatName(called)] && !ignores(f.opts.Ignore, called) {
		return fmt.Sprintf("%s is not known, and the OTPs may depend on it; %s", said, ignoreHint(called)), said
	}
	return "", said
}

// unknownAttributes is unknown for the attributes of an XML element.
func (f *File) unknownAttributes(attrs []xml.Attr, known ...string) (reason string) {
	for _, a := range attrs {
		if !idleAttribute(a.Name) && !slices.ContainsFunc(known, func(s string) bool { return strings.EqualFold(s, a.Name.Local) }) {
			if reason := f.unknown("attribute", a.Name.Local, nil); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// idleAttribute tells whether an attribute is XML's own: of namespaces, schemas, languages.
func idleAttribute(n xml.Name) bool {
	switch n.Space {
	case "xmlns", "xml", "xsi", "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2001/XMLSchema-instance":
		return true
	}
	return n.Space == "" && n.Local == "xmlns"
}

// ignores says whether a name is one of those to be passed over. Case, blanks, dashes, underscores and commas, which part the names of
// a list, do not count.
func ignores(list []string, called string) bool {
	flat := func(s string) string { return flatName(strings.ReplaceAll(s, ",", "")) }
	return slices.ContainsFunc(list, func(s string) bool { return flat(s) == flat(called) })
}

// ignoreHint says how to let a name pass. One that is not shown, because it could be a seed, has to be looked up.
func ignoreHint(called string) string {
	if name(called) != called {
		return "if they do not, let it pass with attrs.ignore, or --ignore, and its name"
	}
	return fmt.Sprintf("if they do not, let it pass with attrs.ignore, or --ignore %s", shellName(strings.ReplaceAll(called, ",", "")))
}

func shellName(called string) string {
	if strings.ContainsAny(called, " ()\"'$&;|<>*?#") {
		return strconv.Quote(called)
	}
	return called
}

// maxNotes bounds the notes of a file.
const maxNotes = 100

// note records something the file says that was not used. The same sentence is recorded once.
func (f *File) note(sentence string) {
	for _, n := range f.Notes {
		if n == sentence {
			return
		}
	}
	if len(f.Notes) < maxNotes {
		f.Notes = append(f.Notes, sentence)
	}
}
