package seedfile

import (
	"slices"
	"strings"
)

// pskcPart is what RFC 6030 has in an element: attributes and elements, by their names with blanks between.
type pskcPart struct{ attributes, elements string }

// elsewhere stands for elements that are looked at where they are used.
const elsewhere = "*"

// pskcParts are the elements of a key package and what is in them; one that is not listed holds text alone. What is not in here may be
// what the OTPs depend on, wherever it stands.
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

// known says which attribute or element inside e RFC 6030 does not have, unless it is to be ignored, which is noted. The keys of a
// package, and a policy, are looked at by themselves.
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

// unknown is File.unknown with a note of the key.
func (p *pskcReader) unknown(k *Key, what, called string) (reason string) {
	reason, said := p.f.judge(what, called, nil)
	if reason == "" {
		k.note("%s was not used", said)
	}
	return reason
}
