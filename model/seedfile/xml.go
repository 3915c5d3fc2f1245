package seedfile

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Limits for an XML file: nesting, attributes of an element, and bytes of one tag, comment or text.
const (
	maxDepth = 32
	maxAttrs = 64
	maxToken = 1 << 20
)

// xmlReader returns the tags and texts of an XML file. It refuses a DOCTYPE, and every entity except the five predefined ones. It
// skips comments and processing instructions, and checks that tags match and that there is one root element.
type xmlReader struct {
	src   *source
	dec   *xml.Decoder
	next  func() (xml.Token, error)
	path  []string // local names of the open elements
	ended bool     // the root element has ended
	buf   []byte   // the text that is being collected

	attributes func(xml.StartElement) error // checks the attributes of each element that is not skipped; may be nil
}

// newXMLReader returns a reader for src. With namespaces, the Space of a name is the URI of its namespace; without, it is the
// prefix as written.
func newXMLReader(src *source, namespaces bool) *xmlReader {
	x := &xmlReader{src: src, dec: xml.NewDecoder(src)}
	x.dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	x.next = x.dec.RawToken
	if namespaces {
		x.next = x.dec.Token
	}
	return x
}

// line returns the current line.
func (x *xmlReader) line() int {
	line, _ := x.dec.InputPos()
	return line
}

// token returns the next xml.StartElement, xml.EndElement or xml.CharData, and io.EOF after the root element. A text is valid
// until the next call.
func (x *xmlReader) token() (xml.Token, error) {
	for {
		x.src.renew(maxToken)
		token, err := x.next() // returned as it is, to avoid another allocation
		if err != nil {
			return nil, x.fault(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			switch {
			case x.ended:
				return nil, unreadable(x.line(), "there is more after the end of the XML")
			case len(x.path) >= maxDepth:
				return nil, unreadable(x.line(), "the XML is nested deeper than %d elements", maxDepth)
			case len(t.Attr) > maxAttrs:
				return nil, unreadable(x.line(), "an element has more than %d attributes", maxAttrs)
			}
			x.path = append(x.path, t.Name.Local)
			if x.attributes != nil && len(t.Attr) > 0 {
				if err := x.attributes(t); err != nil {
					return nil, err
				}
			}
			return token, nil
		case xml.EndElement:
			if len(x.path) == 0 || x.path[len(x.path)-1] != t.Name.Local {
				return nil, unreadable(x.line(), "the XML is not well-formed: a tag closes another element")
			}
			x.path = x.path[:len(x.path)-1]
			x.ended = len(x.path) == 0
			return token, nil
		case xml.CharData:
			if len(x.path) > 0 {
				return token, nil
			}
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, unreadable(x.line(), "there is text outside the XML")
			}
		case xml.Directive:
			return nil, unreadable(x.line(), "the XML has a DOCTYPE or another declaration, which is not read")
		}
	}
}

// fault converts an error of the decoder to a *model.Error. It does not contain the decoder's text, which may quote the file.
func (x *xmlReader) fault(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case err == io.EOF && x.ended:
		return io.EOF
	case err == io.EOF:
		return unreadable(x.line(), "the XML ends too early")
	case errors.As(err, &syntax):
		switch {
		case strings.Contains(syntax.Msg, "EOF"):
			return unreadable(syntax.Line, "the XML ends too early")
		case strings.Contains(syntax.Msg, "UTF-8"):
			return unreadable(syntax.Line, "the file is not UTF-8")
		case strings.Contains(syntax.Msg, "entity"):
			return unreadable(syntax.Line, "the XML uses an entity that is not one of XML's own, or has an & that begins none: write &amp;")
		}
		return unreadable(syntax.Line, "the XML is not well-formed")
	}
	if errors.Is(err, errTooLong) || x.src.err != nil && x.src.err != io.EOF {
		return readFault(x.line(), err)
	}
	return unreadable(x.line(), "the XML cannot be read")
}

// skip reads to the end of the element that was just started.
func (x *xmlReader) skip() error {
	attributes := x.attributes
	x.attributes = nil
	defer func() { x.attributes = attributes }()
	for depth := len(x.path); len(x.path) >= depth; {
		if _, err := x.token(); err != nil {
			return err
		}
	}
	return nil
}

// text returns the text of the element that was just started, trimmed, and reads to its end. An element inside it is an error.
func (x *xmlReader) text(limit int) (string, error) {
	x.buf = x.buf[:0]
	for {
		t, err := x.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			if len(x.buf)+len(t) > limit {
				return "", unreadable(x.line(), "the text of an element is longer than %d bytes", limit)
			}
			x.buf = append(x.buf, t...)
		case xml.StartElement:
			return "", unreadable(x.line(), "there is an element inside <%s>", name(x.path[len(x.path)-2]))
		case xml.EndElement:
			return string(bytes.TrimSpace(x.buf)), nil
		}
	}
}

// children reads the root element, which must be named root, and calls each for each element directly inside it. each must read
// that element to its end.
func (x *xmlReader) children(root string, each func(xml.StartElement) error) error {
	for {
		t, err := x.token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(x.path) == 1 {
				if t.Name.Local != root {
					return unreadable(x.line(), "the root element is <%s>, not <%s>", name(t.Name.Local), root)
				}
				continue
			}
			if err := each(t); err != nil {
				return err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return unreadable(x.line(), "there is text between the elements of <%s>", root)
			}
		}
	}
}

// elements reads the element that was just started and calls each for each element inside it. each must read that element to its
// end. Text between the elements is an error.
func (x *xmlReader) elements(each func(xml.StartElement) error) error {
	for {
		t, err := x.token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := each(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return unreadable(x.line(), "there is text between the elements of <%s>", name(x.path[len(x.path)-1]))
			}
		}
	}
}
