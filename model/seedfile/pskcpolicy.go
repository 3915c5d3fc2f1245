package seedfile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// policy reads a key's Policy (RFC 6030, section 5). A policy that we cannot enforce is noted. One that we do not understand
// refuses the key, because section 5 says that the key must not be used then.
func (k *Key) policy(e *element) (reason string) {
	var usages []string
	for _, a := range e.attrs {
		if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			return fmt.Sprintf("policy attribute %s is unknown, so the key must not be used", name(a.Name.Local))
		}
	}
	for _, c := range e.children {
		switch {
		case c.is(nsPSKC, "StartDate"), c.is(nsPSKC, "ExpiryDate"):
			if !isDate(c.text) {
				return fmt.Sprintf("policy %s is not a date, so the key must not be used", c.local)
			}
			k.note("policy: %s %s was not kept", c.local, c.text)
		case c.is(nsPSKC, "KeyUsage"):
			usages = append(usages, c.text)
		case c.is(nsPSKC, "NumberOfTransactions"):
			k.note("policy: NumberOfTransactions %s was not kept", quoted(c.text))
		case c.is(nsPSKC, "PINPolicy"):
			if reason := k.pinPolicy(c); reason != "" {
				return reason
			}
		default:
			return fmt.Sprintf("policy element <%s> is unknown, so the key must not be used", name(c.local))
		}
	}
	if len(usages) > 0 {
		if !slices.Contains(usages, "OTP") {
			return "the policy does not permit OTP, only " + quoted(strings.Join(usages, ", "))
		}
		k.note("policy: KeyUsage %s", quoted(strings.Join(usages, ", ")))
	}
	return ""
}

// pinPolicy reads PINPolicy. It is noted, unless the PIN is used to compute the OTP, which refuses the key.
func (k *Key) pinPolicy(e *element) (reason string) {
	var said []string
	for _, a := range e.attrs {
		if a.Name.Space == "xmlns" || a.Name.Local == "xmlns" {
			continue
		}
		switch a.Name.Local {
		case "PINUsageMode":
			switch a.Value {
			case "Local", "Prepend", "Append":
			default:
				return fmt.Sprintf("PIN usage mode %s is not supported", quoted(a.Value))
			}
		case "PINKeyId", "MaxFailedAttempts", "MinLength", "MaxLength", "PINEncoding":
		default:
			return fmt.Sprintf("policy attribute %s is unknown, so the key must not be used", name(a.Name.Local))
		}
		said = append(said, a.Name.Local+" "+quoted(a.Value))
	}
	if len(e.children) > 0 {
		return fmt.Sprintf("policy element <%s> is unknown, so the key must not be used", name(e.children[0].local))
	}
	k.note("policy: PINPolicy was not kept: %s", strings.Join(said, ", "))
	return ""
}

// isDate returns whether s is an xs:dateTime.
func isDate(s string) bool {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
