package model

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
)

// subjectTypes are the attributes that a certificate's subject may have, by the names of RFC 4514 and X.520.
var subjectTypes = map[string]asn1.ObjectIdentifier{"CN": {2, 5, 4, 3}, "SERIALNUMBER": {2, 5, 4, 5}, "C": {2, 5, 4, 6}, "L": {2, 5, 4, 7}, "ST": {2, 5, 4, 8},
	"S": {2, 5, 4, 8}, "STREET": {2, 5, 4, 9}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "POSTALCODE": {2, 5, 4, 17}}

// ParseSubject reads a distinguished name as RFC 4514 writes it, such as "CN=intranet,O=North,C=GB", with blanks around its parts as
// people write them. It returns false for a text that is none, and for one with attributes that no certificate of this server has.
func ParseSubject(text string) (pkix.RDNSequence, bool) {
	var all pkix.RDNSequence
	var set pkix.RelativeDistinguishedNameSET
	for rest := text; ; {
		name, value, ok := strings.Cut(rest, "=")
		oid := subjectTypes[strings.ToUpper(strings.TrimSpace(name))]
		if !ok || oid == nil {
			return nil, false
		}
		var end byte
		if value, rest, end, ok = subjectValue(value); !ok {
			return nil, false
		}
		set = append(set, pkix.AttributeTypeAndValue{Type: oid, Value: value})
		if end == '+' {
			continue
		}
		all, set = append(all, set), nil
		if end == 0 {
			break
		}
	}
	slices.Reverse(all) // the text begins with the last one
	return all, true
}

// subjectValue reads a value up to the comma, semicolon or plus sign behind it, which it returns as end; 0 at the end of the text.
func subjectValue(text string) (value, rest string, end byte, ok bool) {
	var b strings.Builder
	text = strings.TrimLeft(text, " ")
	kept := 0 // what is dropped at the end of the value are blanks that were not escaped
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == ',' || c == ';' || c == '+':
			return b.String()[:kept], text[i+1:], c, kept > 0
		case c == '"' || c == '<' || c == '>' || c == '#' && b.Len() == 0:
			return "", "", 0, false // older and binary forms
		case c == '\\' && i+1 < len(text) && strings.IndexByte(" \"#+,;<=>\\", text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
			kept = b.Len()
		case c == '\\':
			if i+2 >= len(text) {
				return "", "", 0, false
			}
			escaped, err := hex.DecodeString(text[i+1 : i+3])
			if err != nil {
				return "", "", 0, false
			}
			i += 2
			b.Write(escaped)
			kept = b.Len()
		default:
			b.WriteByte(c)
			if c != ' ' {
				kept = b.Len()
			}
		}
	}
	return b.String()[:kept], "", 0, kept > 0
}
