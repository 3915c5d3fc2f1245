package seedfile

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The XML file of SafeNet and Aladdin:
//
//	<Tokens> <Token serial="..."> ProductName, Model, <Applications> <Application> Seed, MovingFactor ... </Tokens>
//
// Seeds are in hex, or as Options.Encoding says. A token with a MovingFactor is event-based. For other tokens the file does not
// name the algorithm. Seed and MovingFactor may also be directly inside Token. Two different seeds in one token are refused.

func readSafeNetXML(src *source, f *File, opts Options) error {
	x := newXMLReader(src, false)
	encoding := opts.Encoding
	if encoding == "" {
		encoding = Hex
	}
	x.attributes = func(e xml.StartElement) error {
		known := []string{"version", "id"}
		switch called := flatName(e.Name.Local); {
		case called == "token":
			known = append(known, "serial")
		case called == "application":
			known = append(known, "ConnectorID")
		case idleSafeNet[called], ignores(opts.Ignore, called):
			return nil
		}
		if reason := f.unknownAttributes(e.Attr, known...); reason != "" {
			return unreadable(x.line(), "%s", reason)
		}
		return nil
	}
	return x.children("Tokens", func(start xml.StartElement) error {
		if start.Name.Local != "Token" {
			if reason := f.unknown("element", start.Name.Local, nil); reason != "" {
				return unreadable(x.line(), "%s", reason)
			}
			return x.skip()
		}
		e, err := x.tree(start)
		if err != nil {
			return err
		}
		if err := f.row(); err != nil {
			return err
		}
		k, reason := safeNetToken(f, e, encoding)
		if reason != "" {
			f.Bad.add(e.line, k.Serial, reason)
			return nil
		}
		return f.key(k)
	})
}

// idleSafeNet are elements that have no influence on the OTPs.
var idleSafeNet = map[string]bool{"casemodel": true, "model": true, "productiondate": true, "connectorid": true}

func safeNetToken(f *File, e *element, encoding Encoding) (k Key, reason string) {
	k.Line = e.line
	for _, a := range e.attrs {
		if strings.EqualFold(a.Name.Local, "serial") {
			if k.Serial != "" {
				return k, "the token has two serials"
			}
			k.Serial = strings.TrimSpace(a.Value)
		}
	}
	var seed, factor string
	var walk func(e *element) string
	walk = func(e *element) string {
		for _, c := range e.children {
			local := strings.ToLower(c.local)
			if local == "seed" || local == "movingfactor" || local == "productname" {
				for _, inner := range c.children {
					if reason := f.unknown("token element", inner.local, nil); reason != "" {
						return reason
					}
				}
			}
			switch local {
			case "seed":
				if seed != "" && seed != c.text {
					return "the token has two seeds"
				}
				seed = c.text
			case "movingfactor":
				if factor != "" && factor != c.text {
					return "the token has two moving factors"
				}
				factor = c.text
			case "productname":
				k.Model = c.text
			case "applications", "application":
				if reason := walk(c); reason != "" {
					return reason
				}
			default:
				if reason := f.unknown("token element", c.local, idleSafeNet); reason != "" {
					return reason
				}
			}
		}
		return ""
	}
	if reason := walk(e); reason != "" {
		return k, reason
	}
	ok := true
	if factor != "" {
		k.Algorithm = HOTP
		if k.Counter, ok = counterValue(factor); !ok {
			return k, fmt.Sprintf("moving factor %s is not a number", shown(factor))
		}
	}
	if seed == "" {
		return k, "the seed is missing"
	}
	if k.Secret, ok = encoding.decode(seed); !ok {
		return k, encoding.mismatch(seed)
	}
	return k, ""
}
