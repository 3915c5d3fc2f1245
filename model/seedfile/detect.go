package seedfile

import (
	"bytes"
	"encoding/xml"
	"regexp"
	"strings"
)

// Detect returns the format of a file from its first few kilobytes, in UTF-8. Auto means that the format is unknown. Lines with
// commas, semicolons, tabs or vertical bars, and lines after a line sep=, are OATH CSV if they are nothing else.
func Detect(prefix []byte) Format {
	prefix = bytes.TrimPrefix(prefix, []byte{0xEF, 0xBB, 0xBF})
	text := bytes.TrimLeft(prefix, " \t\r\n")
	if bytes.HasPrefix(text, []byte("<")) {
		format, _ := detectXML(text)
		return format
	}
	return detectText(string(text))
}

// undetected returns why a file whose format Detect does not know cannot be read.
func undetected(prefix []byte) error {
	if text := bytes.TrimLeft(prefix, " \t\r\n"); bytes.HasPrefix(text, []byte("<")) {
		if _, err := detectXML(text); err != nil {
			return err
		}
	}
	if isJSON.Match(prefix) {
		return unreadable(0, "the file is JSON, like the backups of authenticator apps, and cannot be imported: let the "+
			"app export otpauth:// URIs, one per line")
	}
	if len(bytes.TrimSpace(bytes.ReplaceAll(prefix, []byte("\ufeff"), nil))) == 0 {
		return unreadable(0, "the file is empty")
	}
	return unreadable(0, "the format of the file is not recognised: if you know it, name it with attrs.format or --format")
}

// noText returns why the beginning of a file cannot be text; "" if it may be. The beginning may be bytes, or bytes as characters.
func noText(head []byte) (reason string) {
	for _, kind := range []struct{ begins, reason string }{
		{"PK\x03\x04", "the file is a spreadsheet workbook or an archive: save it as CSV, or unpack it"},
		{"\xd0\xcf\x11\xe0", "the file is a spreadsheet workbook: save it as CSV"},
		{"\x1f\x8b", "the file is compressed: unpack it"},
		{"%PDF-", "the file is a PDF: it must be text"},
	} {
		asCharacters := make([]rune, 0, 4)
		for _, b := range []byte(kind.begins) {
			asCharacters = append(asCharacters, rune(b))
		}
		if bytes.HasPrefix(head, []byte(kind.begins)) || bytes.HasPrefix(head, []byte(string(asCharacters))) {
			return kind.reason
		}
	}
	return ""
}

var isJSON = regexp.MustCompile(`^\s*(?:\{\s*["}]|\[\s*[\[{"\]])`)

// detectXML detects the format by the root element.
func detectXML(text []byte) (Format, error) {
	src, err := newSource(bytes.NewReader(text))
	if err != nil {
		return Auto, err
	}
	x := newXMLReader(src, false)
	for {
		t, err := x.token()
		if err != nil {
			return Auto, err
		}
		if start, ok := t.(xml.StartElement); ok {
			switch start.Name.Local {
			case "data":
				return VendorXML, nil
			case "KeyContainer":
				return PSKC, nil
			case "Tokens":
				return SafeNetXML, nil
			}
			return Auto, unreadable(x.line(), "an XML file with the root element <%s> is not in a format that can be imported", name(start.Name.Local))
		}
	}
}

// detectText detects the format by the first line that is neither empty nor a comment.
func detectText(text string) Format {
	_, told := sepLine([]byte(text[:min(len(text), 32)]))
	text = text[told:]
	if isJSON.MatchString(text) {
		return Auto
	}
	first := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		lower := strings.ToLower(line)
		if strings.HasPrefix(lower, "dn:") || strings.HasPrefix(lower, "sccauthenticatorid:") || strings.Contains(lower, "safeword authenticator records") {
			return SafeNetDAT
		}
		if line != "" && line[0] != '#' {
			first = line
			break
		}
	}
	lower := strings.ToLower(unquoted(first))
	switch {
	case strings.HasPrefix(lower, "otpauth-migration:"):
		return Migration
	case strings.HasPrefix(lower, "otpauth:"):
		return OTPAuth
	case isYubico(first):
		return YubicoCSV
	case isEntra(first):
		return EntraCSV
	case told > 0, strings.ContainsAny(first, ",;"), isOATHHeader(first):
		return OATHCSV
	case isFeitian(first):
		return Feitian
	case strings.ContainsAny(first, "\t|"), first != "" && first[0] == '"' && strings.Count(first, `"`)%2 == 1: // a field with several lines
		return OATHCSV
	}
	return Auto
}
