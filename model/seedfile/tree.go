package seedfile

import (
	"encoding/xml"
	"strings"
)

// Limits for one element that is read as a whole.
const (
	maxElements = 2000
	maxTreeText = 256 << 10
)

// element is a small part of an XML file that is read as a whole.
type element struct {
	space, local string
	line         int
	attrs        []xml.Attr
	text         string // the text directly inside the element, trimmed
	children     []*element
}

// tree reads the element that was just started, up to its end.
func (x *xmlReader) tree(start xml.StartElement) (*element, error) {
	elements, text := maxElements, maxTreeText
	return x.branch(start, &elements, &text)
}

func (x *xmlReader) branch(start xml.StartElement, elements, text *int) (*element, error) {
	if *elements--; *elements < 0 {
		return nil, unreadable(x.line(), "one key has more than %d elements", maxElements)
	}
	e := &element{space: start.Name.Space, local: start.Name.Local, line: x.line(), attrs: start.Attr}
	var own []byte
	for {
		t, err := x.token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			child, err := x.branch(t, elements, text)
			if err != nil {
				return nil, err
			}
			e.children = append(e.children, child)
		case xml.CharData:
			if *text -= len(t); *text < 0 {
				return nil, unreadable(x.line(), "one key has more than %d bytes of text", maxTreeText)
			}
			own = append(own, t...)
		case xml.EndElement:
			e.text = strings.TrimSpace(string(own))
			return e, nil
		}
	}
}

// is returns whether the element has that name in that namespace.
func (e *element) is(space, local string) bool { return e.local == local && e.space == space }

// child returns the first child with that name; nil if there is none.
func (e *element) child(space, local string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.is(space, local) {
			return c
		}
	}
	return nil
}

// childNamed returns the first child with that local name in any namespace; nil if there is none.
func (e *element) childNamed(local string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.local == local {
			return c
		}
	}
	return nil
}

// value returns the text of the element; "" for a nil element.
func (e *element) value() string {
	if e == nil {
		return ""
	}
	return e.text
}

// attr returns the value of an attribute without a namespace; "" if there is none.
func (e *element) attr(local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.attrs {
		if a.Name.Space == "" && a.Name.Local == local {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}
