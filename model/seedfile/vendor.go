package seedfile

import (
	"encoding/xml"
	"fmt"
	"strings"

	"tokensmith/model"
)

// The vendor's seed file:
//
//	<data>
//	  <header> manufacturerCode, productCode, encode, encrypt, digits, timeWindow or synchronisation, syncsize, crypto </header>
//	  <tokens> <token> serial, seed, counter, description </token> ... </tokens>
//	</data>
//
// Elements may be in any order. manufacturerCode and productCode name the product. The default of encode is HEX, and that of
// encrypt is NONE. The older form of the header has only these four elements. A file with tokens before the header is read too,
// up to maxWaiting tokens.

// maxWaiting is how many tokens are kept in memory until the header is read.
const maxWaiting = 100_000

// vendorHeader contains the header.
type vendorHeader struct {
	seen     bool
	encoding Encoding
	digits   int
	period   int64
	hash     string
}

// vendorToken is one token, with its texts as written.
type vendorToken struct {
	line                               int
	serial, seed, counter, description string
	twice                              string // an element that occurs twice
	own                                string // an element that belongs in the header
}

// vendorName returns the usual spelling of an element's name, because names may be in any case.
func vendorName(element string) string {
	for _, usual := range []string{"manufacturerCode", "productCode", "encode", "encrypt", "digits", "timeWindow", "synchronisation", "crypto",
		"serial", "seed", "counter", "description", "deviceId"} {
		if strings.EqualFold(element, usual) {
			return usual
		}
	}
	return element
}

// Elements that have no influence on the OTPs, with names as returned by flatName.
var (
	idleHeader = map[string]bool{"syncsize": true, "description": true, "version": true, "date": true, "author": true, "manufacturer": true,
		"manufacturername": true, "productname": true, "customer": true, "order": true, "orderno": true, "ordernumber": true, "quantity": true, "count": true}
	idleToken = map[string]bool{"identifier": true, "status": true, "comment": true, "batch": true, "location": true, "expires": true, "expirydate": true}
)

type vendorReader struct {
	x       *xmlReader
	f       *File
	header  vendorHeader
	waiting []vendorToken
}

func readVendor(src *source, f *File, _ Options) error {
	v := &vendorReader{x: newXMLReader(src, false), f: f}
	v.x.attributes = func(e xml.StartElement) error {
		if called := flatName(e.Name.Local); idleHeader[called] || idleToken[called] || ignores(f.opts.Ignore, called) {
			return nil
		}
		if reason := f.unknownAttributes(e.Attr, "version", "id"); reason != "" {
			return unreadable(v.x.line(), "%s", reason)
		}
		return nil
	}
	err := v.x.children("data", func(e xml.StartElement) error {
		switch e.Name.Local {
		case "header":
			return v.readHeader()
		case "tokens":
			return v.readTokens()
		}
		return unreadable(v.x.line(), "<%s> is in another kind of file of this vendor; only <tokens>, which hold seeds, "+
			"can be imported", name(e.Name.Local))
	})
	if err != nil {
		return err
	}
	if !v.header.seen {
		return unreadable(v.x.line(), "the file has no <header>")
	}
	return nil
}

func (v *vendorReader) readHeader() error {
	h := &v.header
	if h.seen {
		return unreadable(v.x.line(), "the file has two headers")
	}
	h.seen, h.encoding = true, Hex
	given := map[string]bool{}
	err := v.x.elements(func(e xml.StartElement) error {
		element := e.Name.Local
		line := v.x.line()
		text, err := v.x.text(maxText)
		if err != nil {
			return err
		}
		element = vendorName(element)
		if given[element] {
			return unreadable(line, "the header has <%s> twice", name(element))
		}
		given[element] = true
		return v.headerElement(line, element, text)
	})
	if err != nil {
		return err
	}
	for _, t := range v.waiting {
		if err := v.token(t); err != nil {
			return err
		}
	}
	v.waiting = nil
	return nil
}

func (v *vendorReader) headerElement(line int, element, text string) error {
	h, ok := &v.header, true
	switch element {
	case "manufacturerCode", "productCode":
		code, reason := model.CodeName.Clean(model.Trim(text))
		if reason != "" {
			return unreadable(line, "%s %s", element, reason)
		}
		if element == "productCode" {
			v.f.ProductCode = code
		} else {
			v.f.ManufacturerCode = code
		}
	case "encrypt":
		if text != "" && !strings.EqualFold(text, "NONE") {
			return unreadable(line, "the seeds are encrypted with %s, which is not supported; ask for a file with encrypt NONE", shown(text))
		}
	case "encode":
		if text != "" {
			h.encoding, ok = encodingName(text)
		}
	case "digits":
		if text != "" {
			h.digits, ok = digitCount(text)
		}
	case "timeWindow", "synchronisation":
		period := int64(0)
		if text != "" && text != "0" {
			period, ok = positive(text)
		}
		if ok && h.period != 0 && period != 0 && h.period != period {
			return unreadable(line, "timeWindow and synchronisation disagree")
		}
		h.period = max(h.period, period)
	case "crypto":
		if text != "" {
			h.hash, ok = hashName(text)
		}
	default:
		if reason := v.f.unknown("header element", element, idleHeader); reason != "" {
			return unreadable(line, "%s", reason)
		}
	}
	if !ok {
		return unreadable(line, "%s %s is not supported", element, shown(text))
	}
	return nil
}

func (v *vendorReader) readTokens() error {
	return v.x.elements(func(e xml.StartElement) error {
		if e.Name.Local != "token" {
			return unreadable(v.x.line(), "<%s> is another kind of entry; only <token> with a seed is read", name(e.Name.Local))
		}
		t, err := v.readToken()
		if err != nil {
			return err
		}
		if v.header.seen {
			return v.token(t)
		}
		if len(v.waiting) >= maxWaiting {
			return unreadable(t.line, "more than %d tokens come before the header", maxWaiting)
		}
		v.waiting = append(v.waiting, t)
		return nil
	})
}

func (v *vendorReader) readToken() (vendorToken, error) {
	t := vendorToken{line: v.x.line()}
	var given [4]bool
	err := v.x.elements(func(e xml.StartElement) error {
		var field *string
		var n int
		switch element := vendorName(e.Name.Local); element {
		case "serial":
			field, n = &t.serial, 0
		case "seed":
			field, n = &t.seed, 1
		case "counter":
			field, n = &t.counter, 2
		case "description":
			field, n = &t.description, 3
		case "digits", "timeWindow", "synchronisation", "crypto", "encode", "encrypt", "manufacturerCode", "productCode":
			t.own = element
			return v.x.skip()
		case "deviceId":
			return unreadable(v.x.line(), "tokens with a <deviceId> are another kind of file of this vendor, which is not supported")
		default:
			if reason := v.f.unknown("token element", element, idleToken); reason != "" {
				return unreadable(v.x.line(), "%s", reason)
			}
			return v.x.skip()
		}
		if given[n] {
			t.twice = e.Name.Local
		}
		given[n] = true
		var err error
		*field, err = v.x.text(maxText * 4)
		return err
	})
	return t, err
}

// token converts a token to a key. The header must be known.
func (v *vendorReader) token(t vendorToken) error {
	if err := v.f.row(); err != nil {
		return err
	}
	h := &v.header
	k := Key{
		Line: t.line, Serial: t.serial, Description: t.description,
		Digits: h.digits, Period: h.period, Hash: h.hash,
	}
	if h.period > 0 {
		k.Algorithm = TOTP
	}
	ok := true
	if t.counter != "" {
		k.Counter, ok = counterValue(t.counter)
	}
	switch {
	case t.twice != "":
		v.f.Bad.add(t.line, t.serial, "<"+t.twice+"> is given twice")
		return nil
	case t.own != "":
		v.f.Bad.add(t.line, t.serial, "it has a <"+t.own+"> of its own, which is not supported")
		return nil
	case !ok:
		v.f.Bad.add(t.line, t.serial, "the counter is not a number")
		return nil
	case t.seed == "":
		v.f.Bad.add(t.line, t.serial, "the seed is missing")
		return nil
	}
	if other := otherThanBase64(t.seed); h.encoding == Base64 && other != "" && v.f.opts.Encoding != Base64 {
		v.f.Bad.add(t.line, t.serial, fmt.Sprintf("the seed looks like %s, but the header has encode BASE64; give encode "+
			"BASE64 if it is base64", other))
		return nil
	}
	if k.Secret, ok = h.encoding.decode(t.seed); !ok {
		v.f.Bad.add(t.line, t.serial, h.encoding.mismatch(t.seed))
		return nil
	}
	return v.f.key(k)
}
