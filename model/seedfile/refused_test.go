package seedfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

const header = "<manufacturerCode>DN</manufacturerCode><productCode>ST</productCode>"

func vendor(head, tokens string) string {
	return "<data><header>" + header + head + "</header><tokens>" + tokens + "</tokens></data>"
}

const goodToken = "<token><serial>1</serial><seed>3132333435363738393031323334353637383930</seed></token>"

// TestRefusedFiles reads files that are refused as a whole, and checks the kind and the text of the error.
func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 40)
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "FileUnreadable: the file is empty"},
		{"nonsense", "\x00\x01\x02", "FileUnreadable: the format of the file is not recognised: if you know it, name it with attrs.format or --format"},
		{"prose", "Dear customer", "FileUnreadable: the format of the file is not recognised: if you know it, name it with attrs.format or --format"},
		{"other xml", "<html></html>", "FileUnreadable: line 1: an XML file with the root element <html> is not in a format that can be imported"},
		{"aes", vendor("<encrypt>AES256</encrypt>", goodToken), `FileUnreadable: line 1: the seeds are encrypted with "AES256", which is not supported; ask for a file with encrypt NONE`},
		{"encode", vendor("<encode>MODHEX</encode>", goodToken), `FileUnreadable: line 1: encode "MODHEX" is not supported`},
		{"hash", vendor("<crypto>HmacMD5</crypto>", goodToken), `FileUnreadable: line 1: crypto "HmacMD5" is not supported`},
		{"digits 7", vendor("<digits>7</digits>", goodToken), `FileUnreadable: line 1: digits "7" is not supported`},
		{"digits 9", vendor("<digits>9</digits>", goodToken), `FileUnreadable: line 1: digits "9" is not supported`},
		{"period", vendor("<timeWindow>-30</timeWindow>", goodToken), `FileUnreadable: line 1: timeWindow "-30" is not supported`},
		{"periods", vendor("<timeWindow>30</timeWindow><synchronisation>60</synchronisation>", goodToken), "FileUnreadable: line 1: timeWindow and synchronisation disagree"},
		{"twice", vendor("<digits>6</digits><digits>8</digits>", goodToken), "FileUnreadable: line 1: the header has <digits> twice"},
		{"no header", "<data><tokens>" + goodToken + "</tokens></data>", "FileUnreadable: line 1: the file has no <header>"},
		{"two headers", "<data><header/><header/></data>", "FileUnreadable: line 1: the file has two headers"},
		{"device file", "<data><header/><devices/></data>", "FileUnreadable: line 1: <devices> is in another kind of file of this vendor; only <tokens>, which hold seeds, can be imported"},
		{"device tokens", vendor("", "<token><deviceId>7</deviceId></token>"), "FileUnreadable: line 1: tokens with a <deviceId> are another kind of file of this vendor, which is not supported"},
		{"truncated", vendor("", goodToken)[:200], "FileUnreadable: line 1: the XML ends too early"},
		{"mismatch", "<data><header></data></header>", "FileUnreadable: line 1: the XML is not well-formed: a tag closes another element"},
		{"trailing", vendor("", goodToken) + "<data/>", "FileUnreadable: line 1: there is more after the end of the XML"},
		{"trailing text", vendor("", goodToken) + "\nx", "FileUnreadable: line 2: there is text outside the XML"},
		{"deep", "<data><header>" + deep, "FileUnreadable: line 1: there is an element inside <a>"},
		{"deep tokens", vendor("", "<token><comment>"+deep), "FileUnreadable: line 1: the XML is nested deeper than 32 elements"},
		{"unknown element", vendor("", "<token><x>"), "FileUnreadable: line 1: token element <x> is unknown, and the OTPs may depend on it; if they do not, ignore it with attrs.ignore or --ignore x"},
		{"long text", vendor("", "<token><seed>"+strings.Repeat("0", 2<<20)), "FileUnreadable: line 1: the text of an element is longer than 4096 bytes"},
		{"long name", "<data><" + strings.Repeat("x", 2<<20), "FileUnreadable: line 1: a line or element is too long"},
		{"doctype", "<!DOCTYPE data><data/>", "FileUnreadable: line 1: the XML has a DOCTYPE or another declaration, which is not read"},
		{"entity", vendor("", "<token><serial>&nbsp;1</serial></token>"), "FileUnreadable: line 1: the XML uses an entity that is not one of XML's own, or has an & that begins none: write &amp;"},
		{"not utf-8", "<data><header><productCode>\xff</productCode></header></data>", "FileUnreadable: line 1: the file is not UTF-8"},
		{"draft pskc", `<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:container:1.0"/>`, "FileUnreadable: line 1: the namespace of <KeyContainer> is not that of RFC 6030; drafts of it are not supported"},
		{"pskc 2", pskc(``, ``, "2.0"), `FileUnreadable: line 1: PSKC version "2.0" is not supported, only 1.0`},
		{"no packages", pskc(``, ``, "1.0"), "FileUnreadable: the file has no keys"},
		{"no tokens", vendor("", ""), "FileUnreadable: the file has no keys"},
		{"no rows", "serial,seed\n", "FileUnreadable: the file has no keys"},
		{"open quote", "1,\"" + strings.Repeat("x", 1<<20), "FileUnreadable: line 1: a line or element is too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, keys, err := read([]byte(c.file), seedfile.Options{})
			var e *model.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, %d keys; want %s", err, len(keys), c.want)
			}
			if got := kindNames[e.Kind] + ": " + e.Msg; got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRefusedRows reads files with refused rows.
func TestRefusedRows(t *testing.T) {
	t.Parallel()
	const hex, b32 = "3132333435363738393031323334353637383930", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, c := range []struct{ name, file, want string }{
		{"seed missing", vendor("", "<token><serial>1</serial></token>"), `1 "1" the seed is missing`},
		{"serial missing", vendor("", "<token><seed>3132</seed></token>"), `1 "" the serial is missing`},
		{"seed twice", vendor("", "<token><serial>1</serial><seed>31</seed><seed>32</seed></token>"), `1 "1" <seed> is given twice`},
		{"own digits", vendor("", "<token><serial>1</serial><seed>31</seed><digits>8</digits></token>"), `1 "1" it has a <digits> of its own, which is not supported`},
		{"not hex", vendor("", "<token><serial>1</serial><seed>3G</seed></token>"), `1 "1" the seed is not valid HEX`},
		{"odd hex", vendor("", "<token><serial>1</serial><seed>313</seed></token>"), `1 "1" the seed is not valid HEX`},
		{"counter", vendor("", "<token><serial>1</serial><seed>31</seed><counter>x</counter></token>"), `1 "1" the counter is not a number`},
		{"long seed", vendor("", "<token><serial>1</serial><seed>"+strings.Repeat("31", 513)+"</seed></token>"), `1 "1" the seed is longer than 512 bytes`},
		{"long serial", vendor("", "<token><serial>"+strings.Repeat("1", 65)+"</serial><seed>31</seed></token>"), `1 "" the serial is longer than 64 characters`},
		{"ocra", "1," + hex + ",ocra,OCRA-1:HOTP-SHA1-6:QN08", `1 "1" OCRA keys are not supported`},
		{"type", "1," + hex + ",motp", `1 "1" type "motp" is not supported, only hotp or totp`},
		{"seed as type", "1," + hex + "," + hex, `1 "1" type (a value of 40 bytes) is not supported, only hotp or totp`},
		{"csv digits 7", "1," + hex + ",totp,7", `1 "1" digits "7" are not supported, only 6 or 8`},
		{"csv digits 9", "1," + hex + ",totp,9", `1 "1" digits "9" are not supported, only 6 or 8`},
		{"csv period", "1," + hex + ",totp,6,abc", `1 "1" period "abc" is not a number of seconds`},
		{"csv counter", "1," + hex + ",hotp,6,-1", `1 "1" counter "-1" is not a number of 0 or more`},
		{"no type", "1," + hex + ",,6,30", `1 "1" the last column may be a period or a counter: give the type, hotp or totp`},
		{"seven fields", "1," + hex + ",totp,6,30,sha1,x", `1 "1" the row has more than 6 fields, and there is no header that names them`},
		{"sixth field", "1," + hex + ",totp,6,30,x", `1 "1" hash "x" is not supported`},
		{"csv hash", "serial,seed,hash\n1," + hex + ",MD5", `2 "1" hash "MD5" is not supported`},
		{"csv encode", "serial,seed,encode\n1," + hex + ",uu", `2 "1" encode "uu" is not supported, only HEX, BASE32 or BASE64`},
		{"mixed", "1," + hex + "\n2," + b32, `1 "1" the seed is neither hex nor base32, or the file mixes both: add a column encode` + "\n" + `2 "2" the seed is neither hex nor base32, or the file mixes both: add a column encode`},
		{"broken among hex", "1," + hex + "\n2,nothex\n3," + hex, `2 "2" the seed is not valid HEX`},
		{"broken among base32", "1," + b32 + "\n2,0189\n3," + b32, `2 "2" the seed is not valid BASE32`},
		{"hex among base32", "1," + b32 + "\n2," + hex + "\n3," + b32, `2 "2" the seed is not valid BASE32`},
		{"drift", "serial,seed,type,drift\n1," + hex + ",totp,x", `2 "1" drift "x" is not a number of steps`},
		{"swapped", hex + ",1001", `1 "" the serial looks like a seed: are the columns swapped?`},
		{"quote", "1," + hex + "\n2,a\"b\n3," + hex, `2 "" a quote is not closed, or is inside a field without quotes`},
		{"rounded serial", "2.60014E+12," + hex, `1 "2.60014E+12" a spreadsheet has rounded the serial: write it as text`},
		{"longer than header", "serial,seed\n1," + hex + ",totp", `2 "" the row has 3 fields, the header has 2`},
		{"csv no serial", "," + hex, `1 "" the serial is missing`},
		{"uri md5", "otpauth://totp/a?secret=" + b32 + "&algorithm=MD5", `1 "" hash "MD5" is not supported`},
		{"uri digits", "otpauth://totp/a?secret=" + b32 + "&digits=7", `1 "" digits "7" are not supported, only 6 or 8`},
		{"uri type", "otpauth://steam/a?secret=" + b32, `1 "" type "steam" is not supported, only hotp or totp`},
		{"uri counter", "otpauth://hotp/a?secret=" + b32, `1 "" the parameter counter is missing: an event-based key needs it`},
		{"uri secret", "otpauth://totp/a?secret=01", `1 "" the seed is not valid BASE32`},
		{"uri twice", "otpauth://totp/a?secret=AA&secret=AB", `1 "" parameter secret is given twice`},
		{"uri other", "otpauth://totp/a?secret=" + b32 + "\nhttp://example.com/", `2 "" the line is not an otpauth:// URI`},
		{"uri nobody", "otpauth://totp/?secret=" + b32, `1 "" the serial is missing`},
		{"migration damaged", "otpauth-migration://offline?data=CgUK", `1 "" the data of the export is damaged`},
		{"migration empty", "otpauth-migration://offline?data=EAE%3D", `1 "" the export has no keys`},
		{"migration not base64", "otpauth-migration://offline?data=%25", `1 "" the data of the export is not valid base64`},
		{"migration md5", "otpauth-migration://offline?data=CgkKATEgBCgBMAI%3D", `1 "" hash "MD5" is not supported`},
		{"dat mode", "dn: sccAuthenticatorId=X1\nsccTokenData: sccKey=" + hex + ";sccMode=Q", `1 "X1" mode "Q" is not supported, only E and T`},
		{"dat tick", "dn: sccAuthenticatorId=X1\nsccTokenData: sccKey=" + hex + ";sccMode=T;sccTick=x", `1 "X1" period "x" is not a number of seconds`},
		{"dat twice", "dn: sccAuthenticatorId=X1\nsccTokenData: sccKey=" + hex + ";sccMode=E;sccKey=00", `1 "X1" scckey is given twice`},
		{"safenet two seeds", `<Tokens><Token serial="1"><Seed>31</Seed><Seed>32</Seed></Token></Tokens>`, `1 "1" the token has two seeds`},
		{"safenet no seed", `<Tokens><Token serial="1"/></Tokens>`, `1 "1" the seed is missing`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, _, err := read([]byte(c.file), seedfile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range f.Bad.Rows {
				got = append(got, fmt.Sprintf("%d %q %s", r.Line, r.Serial, r.Reason))
			}
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}
