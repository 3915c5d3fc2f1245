package seedfile

import (
	"slices"
	"strings"
)

// pskcPart lists what RFC 6030 allows in an element: attributes and elements, with their names separated by blanks.
type pskcPart struct{ attributes, elements string }

// elsewhere means that the elements are checked where they are used.
const elsewhere = "*"

// pskcParts lists the elements of a key package and their contents. An element that is not listed contains only text. Anything
// else, wherever it is, may have an influence on the OTPs.
var pskcParts = map[string]pskcPart{
	"KeyPackage":          {"", "DeviceInfo CryptoModuleInfo Key"},
	"DeviceInfo":          {"", "Manufacturer SerialNo Model IssueNo DeviceBinding StartDate ExpiryDate UserId"},
	"CryptoModuleInfo":    {"", "Id"},
	"Key":                 {"Id Algorithm", "Issuer AlgorithmParameters KeyProfileId KeyReference FriendlyName Data UserId Policy"},
	"AlgorithmParameters": {"", "Suite ResponseFormat"},
	"ResponseFormat":      {"Encoding Length CheckDigits", ""},
	"Data":                {"", "Secret Counter Time TimeInterval TimeDrift"},
	"Secret":              {"", elsewhere},
	"Counter":             {"", elsewhere},
	"Time":                {"", elsewhere},
	"TimeInterval":        {"", elsewhere},
	"TimeDrift":           {"", elsewhere},
}

// known returns the first attribute or element inside e that is not in RFC 6030, unless it is to be ignored, which is noted. The
// keys of a package, and policies, are checked separately.
func (p *pskcReader) known(k *Key, e *element) (reason string) {
	part := pskcParts[e.local]
	if reason := p.knownAttributes(k, e, strings.Fields(part.attributes)); reason != "" || part.elements == elsewhere {
		return reason
	}
	for _, c := range e.children {
		switch {
		case c.space != nsPSKC || !slices.Contains(strings.Fields(part.elements), c.local):
			if reason := p.unknown(k, "element", c.local); reason != "" {
				return reason
			}
		case c.local == "Policy", c.local == "Key":
		default:
			if reason := p.known(k, c); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func (p *pskcReader) knownAttributes(k *Key, e *element, known []string) (reason string) {
	for _, a := range e.attrs {
		if idleAttribute(a.Name) || a.Name.Space == "" && slices.Contains(known, a.Name.Local) {
			continue
		}
		if reason := p.unknown(k, "attribute", a.Name.Local); reason != "" {
			return reason
		}
	}
	return ""
}

// unknown is File.unknown, but adds the note to the key.
func (p *pskcReader) unknown(k *Key, what, called string) (reason string) {
	reason, said := p.f.judge(what, called, nil)
	if reason == "" {
		k.note("%s was not used", said)
	}
	return reason
}
