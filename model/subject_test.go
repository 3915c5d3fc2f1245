package model

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

func TestParseSubject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"CN=intranet,O=North,C=GB":                 "CN=intranet,O=North,C=GB",
		" cn = intranet , O = North Sea ; c = GB ": "CN=intranet,O=North Sea,C=GB",
		`CN=Smith\, John,OU=a\+b`:                  `CN=Smith\, John,OU=a\+b`,
		`CN=L\C3\BCbeck\ ,ST=here`:                 `CN=Lübeck\ ,ST=here`,
		"OU=one+CN=two,O=three":                    "CN=two+OU=one,O=three",
		"CN=ö":                                     "CN=ö",
		"SERIALNUMBER=1,STREET=a,POSTALCODE=b,L=c": "SERIALNUMBER=1,STREET=a,POSTALCODE=b,L=c",
		"":           "",
		"intranet":   "",
		"CN=":        "",
		"CN= ":       "",
		"CN=a,":      "",
		"CN=a,,O=b":  "",
		"=a":         "",
		"XX=a":       "",
		`CN="a"`:     "",
		"CN=#0401":   "",
		`CN=a\`:      "",
		`CN=a\4`:     "",
		`CN=a\zz`:    "",
		"CN=a+,O=b":  "",
		"1.2.3.4=a":  "",
		"CN=a;;CN=b": "",
	} {
		subject, ok := ParseSubject(text)
		if !ok {
			if want != "" {
				t.Errorf("%q is refused", text)
			}
			continue
		}
		// What a certificate holds is what was said.
		der, err := asn1.Marshal(subject)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var back pkix.RDNSequence
		if rest, err := asn1.Unmarshal(der, &back); err != nil || len(rest) > 0 {
			t.Errorf("%q: %v", text, err)
		}
		if got := back.String(); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
}
