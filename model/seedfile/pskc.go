package seedfile

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"tokensmith/model"
)

// The namespaces in a PSKC file.
const (
	nsPSKC   = "urn:ietf:params:xml:ns:keyprov:pskc"
	nsDS     = "http://www.w3.org/2000/09/xmldsig#"
	nsXENC   = "http://www.w3.org/2001/04/xmlenc#"
	nsXENC11 = "http://www.w3.org/2009/xmlenc11#"
	nsPKCS5  = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#"
)

// pskcReader reads a PSKC file (RFC 6030). EncryptionKey and MACMethod come before the key packages, as in the schema. Each key
// package is read completely, decrypted and passed on.
type pskcReader struct {
	x    *xmlReader
	f    *File
	lock pskcDecrypter
	keys bool // a key package was read
}

func readPSKC(src *source, f *File, opts Options) error {
	p := &pskcReader{x: newXMLReader(src, true), f: f}
	p.lock.password, p.lock.preShared = opts.Password, opts.PreSharedKey
	p.lock.plainEncoding, p.lock.slowly = opts.Encoding, opts.Slowly
	root := false
	for {
		t, err := p.x.token()
		switch {
		case err == io.EOF:
			p.reportUnused()
			return nil
		case err != nil:
			return err
		}
		start, ok := t.(xml.StartElement)
		switch {
		case !ok:
		case !root:
			root = true
			if err := p.container(start); err != nil {
				return err
			}
		default:
			if err := p.part(start); err != nil {
				return err
			}
		}
	}
}

// container checks the root element.
func (p *pskcReader) container(start xml.StartElement) error {
	line := p.x.line()
	if start.Name.Local != "KeyContainer" {
		return unreadable(line, "the root element is <%s>, not <KeyContainer>", name(start.Name.Local))
	}
	if start.Name.Space != nsPSKC {
		return unreadable(line, "the namespace of <KeyContainer> is not that of RFC 6030; drafts of it are not supported")
	}
	root := element{attrs: start.Attr}
	if version := root.attr("Version"); version != "1.0" {
		return unreadable(line, "PSKC version %s is not supported, only 1.0", shown(version))
	}
	if reason := p.f.unknownAttributes(start.Attr, "Version", "Id"); reason != "" {
		return unreadable(line, "%s", reason)
	}
	return nil
}

// part reads one element directly inside the container.
func (p *pskcReader) part(start xml.StartElement) error {
	line := p.x.line()
	local, inPSKC := start.Name.Local, start.Name.Space == nsPSKC
	switch {
	case inPSKC && (local == "EncryptionKey" || local == "MACMethod"):
		if p.keys {
			return unreadable(line, "<%s> comes after the first key package", local)
		}
		e, err := p.x.tree(start)
		if err != nil {
			return err
		}
		if local == "MACMethod" {
			return p.lock.setMAC(e)
		}
		return p.lock.setEncryption(e)
	case inPSKC && local == "KeyPackage":
		p.keys = true
		e, err := p.x.tree(start)
		if err != nil {
			return err
		}
		return p.keyPackage(e)
	case inPSKC && local == "Device":
		return unreadable(line, "<Device> belongs to a draft of RFC 6030, which is not supported")
	case start.Name.Space == nsDS && local == "Signature":
		p.f.note("the file has an XML signature, which was not verified")
	default:
		if reason := p.f.unknown("element", local, nil); reason != "" {
			return unreadable(line, "%s", reason)
		}
	}
	return p.x.skip()
}

// reportUnused adds a note if a password or key was given and not needed.
func (p *pskcReader) reportUnused() {
	if p.lock.opened {
		return
	}
	if len(p.lock.password) > 0 || len(p.lock.preShared) > 0 {
		p.f.note("the password or key was not needed: no encrypted value was read")
	}
}

// keyPackage reads one key package: the data of the device, and the key.
func (p *pskcReader) keyPackage(e *element) error {
	if err := p.f.row(); err != nil {
		return err
	}
	k := Key{Line: e.line}
	var keys []*element
	for _, c := range e.children {
		switch {
		case c.is(nsPSKC, "DeviceInfo"):
			k.device(c)
		case c.is(nsPSKC, "CryptoModuleInfo"):
			if id := c.child(nsPSKC, "Id").value(); id != "" {
				k.note("crypto module %s was not kept", quoted(id))
			}
		case c.is(nsPSKC, "Key"):
			keys = append(keys, c)
		}
	}
	if len(keys) == 0 {
		p.f.Bad.add(k.Line, k.Serial, "the package has no key")
		return nil
	}
	strange := p.known(&k, e)
	for i, key := range keys {
		each := k
		if i > 0 {
			if err := p.f.row(); err != nil {
				return err
			}
			each.Line = key.line
			each.Notes = append([]string(nil), k.Notes...)
		}
		if strings.HasSuffix(key.attr("Algorithm"), ":pskc:pin") {
			p.f.note("PIN keys are in the file and were not imported")
			continue
		}
		reason := strange
		if reason == "" {
			var err error
			if reason, err = p.key(&each, key); err != nil {
				return err
			}
		}
		if reason != "" {
			p.f.Bad.add(each.Line, each.Serial, reason)
			continue
		}
		if err := p.f.key(each); err != nil {
			return err
		}
	}
	return nil
}

// device reads DeviceInfo.
func (k *Key) device(e *element) {
	for _, c := range e.children {
		switch {
		case c.is(nsPSKC, "Manufacturer"):
			k.Manufacturer = c.text
		case c.is(nsPSKC, "SerialNo"):
			k.Serial = c.text
		case c.is(nsPSKC, "Model"):
			k.Model = c.text
		case c.is(nsPSKC, "UserId"):
			k.User = c.text
		case c.is(nsPSKC, "StartDate"), c.is(nsPSKC, "ExpiryDate"), c.is(nsPSKC, "IssueNo"), c.is(nsPSKC, "DeviceBinding"):
			k.note("device %s %s was not kept", c.local, quoted(c.text))
		}
	}
}

// quoted returns a text from the file, quoted for a note or message. In its proper place the text is not secret, but a text that
// could be a seed is not shown.
func quoted(s string) string {
	pieces := []string{s}
	if strings.HasPrefix(s, "urn:") || strings.Contains(s, "://") {
		split := func(at string) []string {
			return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(at, r) })
		}
		pieces = append(split("/#?=&"), split(":/#.?=&")...) // there may be colons between hex bytes
	}
	if len(s) > 100 || !printable(s) || slices.ContainsFunc(pieces, model.Hidden) {
		return fmt.Sprintf("(a text of %d bytes)", len(s))
	}
	return fmt.Sprintf("%q", s)
}
