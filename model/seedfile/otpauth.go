package seedfile

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"tokensmith/model"
)

// Lists of URIs, one per line: otpauth://totp/Issuer:account?secret=...&issuer=...&algorithm=...&digits=...&period=..., and the
// export payloads of Google Authenticator (migration.go). Empty lines and lines that start with # are skipped.
//
// A key URI has no serial number; Key.User is the account. A missing parameter has the default of the Key URI Format: SHA-1, 6
// digits, 30 seconds. Names of parameters may be in any case. A # does not end the parameters, because issuers contain it without
// encoding.

func readURIs(src *source, f *File, _ Options) error {
	batches := batchSet{}
	for n := 1; ; n++ {
		text, err := src.line()
		if err == io.EOF {
			batches.report(f)
			return nil
		}
		if err != nil {
			return readFault(n, err)
		}
		line := unquoted(strings.TrimSpace(string(text)))
		if line == "" || line[0] == '#' {
			continue
		}
		scheme, _, _ := strings.Cut(line, ":")
		if strings.EqualFold(scheme, "otpauth-migration") {
			err = readMigration(f, n, line, batches)
		} else {
			err = readURI(f, n, line)
		}
		if err != nil {
			return err
		}
	}
}

// unquoted removes the quotes around a line, which a spreadsheet, a word processor or a person has added.
func unquoted(line string) string {
	for _, quotes := range [][2]string{{`"`, `"`}, {"'", "'"}, {"\u201c", "\u201d"}, {"\u201e", "\u201c"}, {"\u00ab", "\u00bb"}} {
		if inner, ok := strings.CutPrefix(line, quotes[0]); ok {
			if inner, ok = strings.CutSuffix(inner, quotes[1]); ok && inner != "" {
				return strings.TrimSpace(inner)
			}
		}
	}
	return line
}

func readURI(f *File, line int, text string) error {
	if err := f.row(); err != nil {
		return err
	}
	k, reason := keyOfURI(text, f.opts.Ignore)
	k.Line = line
	if reason != "" {
		if strings.Contains(text, "#") {
			reason += "; an unencoded # was read as part of the URI"
		}
		f.Bad.add(line, "", reason)
		return nil
	}
	return f.key(k)
}

// idleParameters concern only the appearance and order of keys in an app; the names are as returned by flatName.
var idleParameters = map[string]bool{"image": true, "imageurl": true, "icon": true, "color": true, "colour": true, "lock": true, "issuerext": true,
	"issuerint": true, "group": true, "tag": true, "tags": true, "note": true, "notes": true, "codedisplay": true}

// keyOfURI parses an otpauth:// URI, or returns why it cannot. An unknown parameter is an error unless it is in ignored.
func keyOfURI(text string, ignored []string) (k Key, reason string) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !strings.EqualFold(scheme, "otpauth") {
		return k, "the line is not an otpauth:// URI"
	}
	rest, parameters := cutParameters(rest)
	kind, label, _ := strings.Cut(rest, "/")
	values, reason := uriParameters(parameters)
	if reason != "" {
		return k, reason
	}
	k.Digits, k.Hash = 6, SHA1
	switch strings.ToLower(kind) {
	case "hotp":
		k.Algorithm = HOTP
	case "totp":
		k.Algorithm, k.Period = TOTP, 30
	default:
		return k, fmt.Sprintf("type %s is not supported, only hotp or totp", shown(kind))
	}
	if k.Issuer, k.User, ok = splitLabel(label, values["issuer"]); !ok {
		return k, "the label of the URI cannot be read: a % in it is not followed by two hex digits"
	}
	if issuer := model.Trim(values["issuer"]); issuer != "" {
		if k.Issuer != "" && !sameIssuer(k.Issuer, issuer) {
			k.note("issuer %s of the label was not used, because the parameter issuer names another", quoted(k.Issuer))
		}
		k.Issuer = issuer
	}
	if strings.Contains(text, "#") {
		k.note("an unencoded # was read as part of the URI")
	}
	if s := values["algorithm"]; s != "" {
		if k.Hash, ok = hashName(s); !ok {
			return k, fmt.Sprintf("hash %s is not supported", shown(s))
		}
	}
	if s := values["digits"]; s != "" {
		if k.Digits, ok = digitCount(s); !ok {
			return k, fmt.Sprintf("digits %s are not supported, only 6 or 8", shown(s))
		}
	}
	if s := values["period"]; s != "" && k.Algorithm == TOTP {
		if k.Period, ok = positive(s); !ok {
			return k, fmt.Sprintf("period %s is not a number of seconds", shown(s))
		}
	}
	if s := values["counter"]; s == "" && k.Algorithm == HOTP {
		return k, "the parameter counter is missing: an event-based key needs it"
	} else if k.Algorithm == HOTP {
		if k.Counter, ok = counterValue(s); !ok {
			return k, fmt.Sprintf("counter %s is not a number of 0 or more", shown(s))
		}
	}
	for parameter := range values {
		switch {
		case uriParameter(parameter):
		case parameter == "encoder" && values[parameter] == "": // a value would name another kind of OTP
		case idleParameters[flatName(parameter)], ignores(ignored, parameter):
			k.note("parameter %s was not used", name(parameter))
		default:
			return k, fmt.Sprintf("parameter %s is unknown, and the OTPs may depend on it; %s", name(parameter), ignoreHint(parameter))
		}
	}
	if values["secret"] == "" {
		return k, "the seed is missing"
	}
	if k.Secret, ok = Base32.decode(values["secret"]); !ok {
		return k, Base32.mismatch(values["secret"])
	}
	return k, ""
}

// cutParameters splits a key URI at the question mark after its label. The label may contain a question mark that is not encoded.
// Therefore the split is at the first one that is followed by the name of a parameter, or else at the first one.
func cutParameters(uri string) (front, parameters string) {
	for from := 0; ; {
		i := strings.IndexByte(uri[from:], '?')
		if i < 0 {
			front, parameters, _ = strings.Cut(uri, "?")
			return front, parameters
		}
		from += i + 1
		called, _, found := strings.Cut(uri[from:], "=")
		if called = strings.ToLower(strings.TrimSpace(called)); found && (uriParameter(called) || idleParameters[flatName(called)]) {
			return uri[:from-1], uri[from:]
		}
	}
}

// uriParameter returns whether a key URI has a parameter with that name.
func uriParameter(called string) bool {
	switch called {
	case "secret", "issuer", "algorithm", "digits", "period", "counter":
		return true
	}
	return false
}

// uriParameters parses the text after the question mark of a key URI. The keys of values are in lower case.
func uriParameters(text string) (values map[string]string, reason string) {
	query, err := url.ParseQuery(text)
	if err != nil {
		if strings.Contains(text, "&amp;") {
			return nil, "the parameters of the URI cannot be read: it was copied from HTML, where & is written &amp;"
		}
		return nil, "the parameters of the URI cannot be read: they contain a ; or a % that is not followed by two hex digits"
	}
	values = map[string]string{}
	for parameter, all := range query {
		lower := strings.ToLower(strings.TrimSpace(parameter))
		if _, twice := values[lower]; twice || len(all) > 1 {
			return nil, fmt.Sprintf("parameter %s is given twice", name(lower))
		}
		values[lower] = strings.TrimSpace(all[0])
	}
	return values, ""
}

// splitLabel splits a label from a URI, "account" or "issuer:account". If the label begins with the issuer from the parameter,
// that is removed. Otherwise the label is split at the first colon that is not encoded, because an issuer may contain an encoded
// one, or else at the first colon.
func splitLabel(label, issuer string) (first, account string, ok bool) {
	whole, err := url.PathUnescape(label)
	if err != nil {
		return "", "", false
	}
	before, behind, raw := strings.Cut(label, ":")
	if raw && strings.Contains(whole, ":") {
		before, _ = url.PathUnescape(before)
		behind, _ = url.PathUnescape(behind)
	}
	issuer = model.Trim(issuer)
	if rest, found := withoutIssuer(whole, issuer); found && !(raw && sameIssuer(model.Trim(before), issuer)) {
		return issuer, rest, true
	}
	if !raw {
		before, behind, raw = strings.Cut(whole, ":")
	}
	if !raw {
		return "", model.Trim(whole), true
	}
	return model.Trim(before), model.Trim(behind), true
}

// sameIssuer compares two issuers without regard to case and composition.
func sameIssuer(a, b string) bool { return a == b || model.Fold(a) == model.Fold(b) }

// withoutIssuer removes an issuer and the colon after it from the beginning of a label.
func withoutIssuer(label, issuer string) (account string, found bool) {
	end := 0 // index after the colon that follows the issuer, which may contain colons
	for range strings.Count(issuer, ":") + 1 {
		i := strings.IndexByte(label[end:], ':')
		if i < 0 || issuer == "" {
			return "", false
		}
		end += i + 1
	}
	if !sameIssuer(model.Trim(label[:end-1]), issuer) {
		return "", false
	}
	return model.Trim(label[end:]), true
}

// labelled sets the issuer and the user from a label that is not encoded, and from the issuer that an exported key has.
func (k *Key) labelled(label, issuer string) {
	issuer = model.Trim(issuer)
	if account, found := withoutIssuer(label, issuer); found {
		k.Issuer, k.User = issuer, account
		return
	}
	before, behind, ok := strings.Cut(label, ":")
	if !ok {
		before, behind = "", label
	}
	k.Issuer, k.User = model.Trim(before), model.Trim(behind)
	if issuer != "" {
		k.Issuer = issuer
	}
}
