// Package seedfile reads the files with which OTP keys are exchanged: seed files of vendors, PSKC (RFC 6030), the CSV formats of
// other servers, and key URIs. It also reads the two CSV files that name tokens or users without keys (assign.go, users.go), and
// writes PSKC.
//
// The contract:
//
//   - A file is read as a stream. The memory does not grow with the size of the file, and the size of elements and lines and the
//     depth of nesting are limited. XML is never validated, expanded or fetched. A DOCTYPE, or an entity that the file defines,
//     refuses the file.
//   - A value that is not in the file is zero in Key, so that the product decides. A value that we cannot support refuses its row
//     (an unknown hash, seven digits, OCRA). A value that is known to be harmless is reported in Notes. An unknown one refuses the
//     file unless Options.Ignore names it. Nothing is ignored silently.
//   - A row that cannot be used is added to File.Bad, and reading continues. An error in the file itself ends the reading with a
//     *model.Error: FileUnreadable names the line, FileKey says that a password, key or MAC is wrong, TooLarge that there are more
//     than MaxRows. An error of the callback ends the reading and is returned unchanged.
//   - Keys are passed to the callback while the file is read, each only after its own MACs were verified. An error later in the
//     file still ends with an error. Therefore the caller must not store anything permanently before Read has returned, or must
//     first read the whole file with a callback that does nothing.
//   - No error, row error or note contains a seed, PIN, password or key.
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

// The formats. Auto, the zero value, means that the format is detected from the content.
const (
	Auto       Format = ""
	VendorXML  Format = "vendor"      // <data><header><tokens> with manufacturerCode and productCode
	PSKC       Format = "pskc"        // RFC 6030
	OATHCSV    Format = "oath-csv"    // serial, seed[, type[, digits[, period or counter]]], or named columns
	YubicoCSV  Format = "yubico"      // log of the YubiKey Personalization Tool
	EntraCSV   Format = "entra"       // upn, serial number, secret key, time interval, manufacturer, model
	SafeNetXML Format = "safenet-xml" // <Tokens><Token serial="..."> of SafeNet and Aladdin
	SafeNetDAT Format = "safenet-dat" // SafeWord authenticator records of SafeNet and Aladdin
	Feitian    Format = "feitian"     // lines with serial number and seed, separated by white space
	OTPAuth    Format = "otpauth"     // otpauth:// key URIs, one per line; there may be export payloads among them
	Migration  Format = "migration"   // otpauth-migration:// payloads of Google Authenticator
)

// reader reads one format from src, sets the fields of f, and passes keys to f.yield.
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

// Formats returns the formats that Options.Format accepts, in the order of the documentation.
func Formats() []Format {
	return []Format{VendorXML, PSKC, OATHCSV, YubicoCSV, EntraCSV, SafeNetXML, SafeNetDAT, Feitian, OTPAuth, Migration}
}

// Options say how a file is read.
type Options struct {
	Format       Format       // Auto, or the format to read
	Encoding     Encoding     // encoding of seeds if the file itself does not name it; "" to detect it
	Password     model.Secret // password of a PSKC file
	PreSharedKey model.Secret // pre-shared key of a PSKC file, as bytes
	MaxRows      int          // more rows than this, including bad ones, are TooLarge; 0 means no limit
	Ignore       []string     // unknown columns, parameters and elements that are to be ignored

	// Slowly runs the derivation of a key from a password, which is slow on purpose. Its error ends Read. If it is nil, the
	// derivation runs directly.
	Slowly func(work func()) error
}

// File contains the data of a token file as a whole, and the result of reading it.
type File struct {
	Format           Format
	ManufacturerCode string   // from the header of the vendor XML
	ProductCode      string   // from the header of the vendor XML
	Notes            []string // what the file says and was not used, each sentence once
	Keys             int      // number of keys passed to the callback
	Bad              Bad      // refused rows
	Untyped          string   // algorithm of keys without one, if no product decides; "" if the file does not tell

	opts  Options
	yield func(*File, Key) error
	rows  int
}

// Read reads the token file r and calls yield with each key, in the order of the file. The File passed to yield is the one that
// Read returns; its header fields are set before the first key. Read never returns a nil File.
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

// row counts a row, and refuses the file if there are too many.
func (f *File) row() error {
	f.rows++
	if f.opts.MaxRows > 0 && f.rows > f.opts.MaxRows {
		return model.Errorf(model.TooLarge, "the file has more than %d rows", f.opts.MaxRows)
	}
	return nil
}

// key checks a key, and passes it on or lists it as bad.
func (f *File) key(k Key) error {
	if reason := k.check(); reason != "" {
		f.Bad.add(k.Line, k.Serial, reason)
		return nil
	}
	f.Keys++
	return f.yield(f, k)
}

// unknown decides about an unknown column, parameter, element or attribute. One that is harmless, or is to be ignored, is skipped
// with a note. Any other may have an influence on the OTPs, and unknown returns why it is refused.
func (f *File) unknown(what, called string, harmless map[string]bool) (reason string) {
	reason, said := f.judge(what, called, harmless)
	if reason == "" {
		f.note(said + " was not used")
	}
	return reason
}

// judge returns why something unknown refuses the file, "" if it does not, and its name for a note.
func (f *File) judge(what, called string, harmless map[string]bool) (reason, said string) {
	said = what + " " + name(called)
	if strings.HasSuffix(what, "element") {
		said = what + " <" + name(called) + ">"
	}
	if !harmless[flatName(called)] && !ignores(f.opts.Ignore, called) {
		return fmt.Sprintf("%s is unknown, and the OTPs may depend on it; %s", said, ignoreHint(called)), said
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

// idleAttribute returns whether an attribute belongs to XML itself: to namespaces, schemas or languages.
func idleAttribute(n xml.Name) bool {
	switch n.Space {
	case "xmlns", "xml", "xsi", "http://www.w3.org/XML/1998/namespace", "http://www.w3.org/2001/XMLSchema-instance":
		return true
	}
	return n.Space == "" && n.Local == "xmlns"
}

// ignores returns whether a name is in a list of names to ignore. Case, blanks, dashes, underscores and commas do not matter;
// commas separate the names in a list.
func ignores(list []string, called string) bool {
	flat := func(s string) string { return flatName(strings.ReplaceAll(s, ",", "")) }
	return slices.ContainsFunc(list, func(s string) bool { return flat(s) == flat(called) })
}

// ignoreHint returns how to have a name ignored. A name that could be a seed is not shown, and the user must look it up.
func ignoreHint(called string) string {
	if name(called) != called {
		return "if they do not, ignore it by its name in attrs.ignore or --ignore"
	}
	return fmt.Sprintf("if they do not, ignore it with attrs.ignore or --ignore %s", shellName(strings.ReplaceAll(called, ",", "")))
}

func shellName(called string) string {
	if strings.ContainsAny(called, " ()\"'$&;|<>*?#") {
		return strconv.Quote(called)
	}
	return called
}

// maxNotes is how many notes a file has at most.
const maxNotes = 100

// note adds a note about something that the file says and that was not used. Each sentence is added once.
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
