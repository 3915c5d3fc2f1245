package seedfile_test

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

const (
	hexSeed   = "8646c1d92304573e05e9ac90de6cac5f4e2aa05b"
	otherSeed = "39629cff4e230cae5a38642372e56fdfc74fcdce"
	b32Seed   = "QGAZPHSO7VF6AQOOZT2TVVQ7JCM6PKHN"
)

// said reads a file and returns the result in one line: keys, refused rows, notes, or why the file is refused.
func said(t *testing.T, file string, opts seedfile.Options) string {
	t.Helper()
	f, keys, err := read([]byte(file), opts)
	var e *model.Error
	if errors.As(err, &e) {
		return e.Msg
	}
	var parts []string
	for _, k := range keys {
		text := fmt.Sprintf("%s %s-%d-%d", k.Serial+"|"+k.Issuer+"|"+k.User, k.Algorithm, k.Digits, k.Period)
		if k.Hash != "" {
			text += "-" + k.Hash
		}
		parts = append(parts, text)
		for _, n := range k.Notes {
			parts = append(parts, "note: "+n)
		}
	}
	for _, b := range f.Bad.Rows {
		parts = append(parts, fmt.Sprintf("line %d %q: %s", b.Line, b.Serial, b.Reason))
	}
	for _, n := range f.Notes {
		parts = append(parts, "note: "+n)
	}
	return strings.Join(parts, "; ")
}

// TestWhatPeopleSend: files as people and their spreadsheets leave them: what is read, and what is refused, with the reason.
func TestWhatPeopleSend(t *testing.T) {
	t.Parallel()
	const uri = "otpauth://totp/"
	for _, c := range []struct{ name, file, want string }{
		// Values that have an influence on the OTPs are read or refused.
		{"a # in an issuer", uri + "Ops:ada?secret=" + b32Seed + "&issuer=Team #3&digits=8&period=60", "|Team #3|ada TOTP-8-60-HmacSHA1; note: issuer \"Ops\" of the label was not used, because the parameter issuer names another; note: an unencoded # was read as part of the URI"},
		{"parameters in capitals", uri + "a:b?SECRET=" + b32Seed + "&Digits=8&Period=60&ALGORITHM=sha256", "|a|b TOTP-8-60-HmacSHA256"},
		{"a parameter twice in two cases", uri + "a:b?secret=" + b32Seed + "&digits=8&Digits=6", "line 1 \"\": parameter digits is given twice"},
		{"an unknown parameter", uri + "a:b?secret=" + b32Seed + "&encoder=steam", "line 1 \"\": parameter encoder is unknown, and the OTPs may depend on it; if they do not, ignore it with attrs.ignore or --ignore encoder"},
		{"headers with units", "serial,secret,type,timestep (s),number of digits\n1001," + hexSeed + ",totp,60,8", "1001|| TOTP-8-60"},
		{"algorithm beside type", "serial,secret,type,algorithm\n1001," + hexSeed + ",totp,SHA256", "1001|| TOTP-0-0-HmacSHA256"},
		{"algorithm is the type", "serial,secret,algorithm\n1001," + hexSeed + ",hotp", "1001|| HOTP-0-0"},
		{"algorithm against hash", "serial,secret,algorithm,hash\n1001," + hexSeed + ",SHA256,SHA1", "line 2 \"1001\": hash is HmacSHA1, but algorithm is HmacSHA256"},
		{"two seed columns", "serial,secret,otpkey,type\n1001," + hexSeed + "," + otherSeed + ",hotp", "line 1: columns secret and otpkey have the same meaning: keep only one of them"},
		{"an unknown column", "serial,secret,type,room\n1001," + hexSeed + ",hotp,7", "line 1: column room is unknown, and the OTPs may depend on it; if they do not, ignore it with attrs.ignore or --ignore room"},
		{"a column of no matter", "serial,secret,type,Remarks\n1001," + hexSeed + ",hotp,7", "1001|| HOTP-0-0; note: column Remarks was not used"},
		{"a serial with #", "serial,secret,type\n#1001," + hexSeed + ",hotp\n1002," + hexSeed + ",hotp", "1002|| HOTP-0-0; line 2 \"\": the line begins with # like a comment, but looks like a row: put its first field in quotes, remove the line, or ignore such lines with attrs.ignore or --ignore \"#\""},
		{"a serial with # at the end", "serial,secret\n1,\"" + hexSeed + "\"\n\n# two lines\n#2," + hexSeed, "1|| -0-0; line 5 \"\": the line begins with # like a comment, but looks like a row: put its first field in quotes, remove the line, or ignore such lines with attrs.ignore or --ignore \"#\""},
		{"a serial with # in quotes", "serial,secret,type\n\"#1001\"," + hexSeed + ",hotp", "#1001|| HOTP-0-0"},
		{"comments", "# from the vendor, batch 7\nserial,secret\n# end, 500 tokens\n1001," + hexSeed, "1001|| -0-0"},
		{"feitian with #", "1001 " + hexSeed + "\n#1002 " + hexSeed, "1001|| -0-0; line 2 \"\": the line begins with # like a comment, but looks like a row: remove the # or the line, or ignore such lines with attrs.ignore or --ignore \"#\""},
		{"a header element", vendor("<algorithm>HmacSHA256</algorithm>", goodToken), "line 1: header element <algorithm> is unknown, and the OTPs may depend on it; if they do not, ignore it with attrs.ignore or --ignore algorithm"},
		{"header elements in capitals", vendor("<Digits>8</Digits><TIMEWINDOW>60</TIMEWINDOW>", goodToken), "1|| TOTP-8-60"},
		{"base32 in base64", vendor("<encode>BASE64</encode>", "<token><serial>1</serial><seed>"+b32Seed+"</seed></token>"), "line 1 \"1\": the seed looks like BASE32, but the header has encode BASE64; give encode BASE64 if it is base64"},
		{"base32 in a PlainValue", pskc("", pskcKey(pskcNS+":hotp", sixDigits, "<Secret><PlainValue>"+b32Seed+"</PlainValue></Secret>", ""), "1.0"), "line 1 \"77\": the secret looks like BASE32, but PSKC has base64 there; give encode BASE32, or BASE64 if it is base64"},
		// The label.
		{"an encoded colon in the issuer", uri + "Text%3A%20More%20Text:Secret?secret=" + b32Seed + "&issuer=Text%3A%20More%20Text", "|Text: More Text|Secret TOTP-6-30-HmacSHA1"},
		{"everything encoded", uri + "Test%3A%20Foo%3AUser?secret=" + b32Seed + "&issuer=Test%3A%20Foo", "|Test: Foo|User TOTP-6-30-HmacSHA1"},
		{"without the parameter", uri + "Text%3A%20More:Secret?secret=" + b32Seed, "|Text: More|Secret TOTP-6-30-HmacSHA1"},
		{"in another case", uri + "acme: vpn:ada?secret=" + b32Seed + "&issuer=Acme: VPN", "|Acme: VPN|ada TOTP-6-30-HmacSHA1"},
		{"decomposed", uri + "Acme%3A%20Mu%CC%88:ada?secret=" + b32Seed + "&issuer=Acme%3A%20M%C3%BC", "|Acme: Mü|ada TOTP-6-30-HmacSHA1"},
		{"an account with colons", uri + "acme:a:b%3Ac?secret=" + b32Seed + "&issuer=Acme", "|Acme|a:b:c TOTP-6-30-HmacSHA1"},
		{"a colon that is not encoded", uri + "Acme: VPN:ada?secret=" + b32Seed + "&issuer=Acme: VPN", "|Acme: VPN|ada TOTP-6-30-HmacSHA1"},
		{"blanks around", uri + "Foo%20:%20ada?secret=" + b32Seed + "&issuer=Foo%20", "|Foo|ada TOTP-6-30-HmacSHA1"},
		// Spreadsheets.
		{"rounded", "serial,secret\n1E+11," + hexSeed + "\n1.23457e+11," + hexSeed + "\n\"1,23457E+11\"," + hexSeed, "line 2 \"1E+11\": a spreadsheet has rounded the serial: write it as text; line 3 \"1.23457e+11\": a spreadsheet has rounded the serial: write it as text; line 4 \"\": a spreadsheet has rounded the serial: write it as text"},
		{"rounded by other programs", "serial,secret\n1.2E-05," + hexSeed + "\n1.0E7," + hexSeed + "\n10000000.0," + hexSeed, "line 2 \"1.2E-05\": a spreadsheet has rounded the serial: write it as text; line 3 \"1.0E7\": a spreadsheet has rounded the serial: write it as text; line 4 \"10000000.0\": a spreadsheet has put .0 behind the serial: write it as text"},
		{"errors", "serial,secret,user,model\n\"#REF!\"," + hexSeed + ",,\n2," + hexSeed + ",#N/A,\n3," + hexSeed + ",,########", "line 2 \"#REF!\": a spreadsheet has failed to compute the serial: write it as text; line 3 \"2\": a spreadsheet has failed to compute the user: write it as text; line 4 \"3\": a spreadsheet has failed to compute the model: write it as text"},
		{"an error in another format", yubicoRow("#REF!"), "line 1 \"\": the serial is a value that a spreadsheet has failed to compute"},
		{"not rounded", "serial,secret\n12E5678," + hexSeed + "\n1E11," + hexSeed, "12E5678|| -0-0; 1E11|| -0-0"},
		{"a text formula", "serial,secret\n\"=\"\"0001234\"\"\"," + hexSeed + "\n'0001234," + hexSeed + "\n'x," + hexSeed, "0001234|| -0-0; 0001234|| -0-0; 'x|| -0-0"},
		{"quotes of another kind", "serial,secret\n'1001'," + hexSeed, "1001|| -0-0"},
		{"blanks behind quotes", "\"serial\" , \"secret\" ,\"type\"\n\"1,1\" , \"" + hexSeed + "\"  , \"hotp\"  \r\n\"1\"\"2 \"  ,\"" + hexSeed + "\",\"hotp\" ", "1,1|| HOTP-0-0; 1\"2|| HOTP-0-0"},
		{"tabs behind quotes", "serial,secret\n\"1\"\t,\"" + hexSeed + "\" \t", "1|| -0-0"},
		{"an end of the file", "serial,secret\r\n1," + hexSeed + "\r\n\x1a", "1|| -0-0"},
		{"another hash", "serial,secret,type,algorithm\n1," + hexSeed + ",totp,MD5", "line 2 \"1\": algorithm \"MD5\" is not a supported type or hash"},
		{"an encoding in another spelling", "serial,secret,encode\n1," + b32Seed + ",Base-32", "1|| -0-0"},
		{"text behind quotes", "serial,secret\n\"1\" x," + hexSeed, "line 2 \"\": a quote is not closed, or is inside a field without quotes"},
		{"vertical bars", "serial|secret|type\n1001|" + hexSeed + "|hotp", "1001|| HOTP-0-0"},
		{"vertical bars without a header", "1001|" + hexSeed + "|hotp\n1,2|" + hexSeed, "1001|| HOTP-0-0; 1,2|| -0-0"},
		{"a bar in a serial", "1|2," + hexSeed, "1|2|| -0-0"},
		{"rows in quotes", "\"serial,secret\"\n\"1001," + hexSeed + "\"", "line 1 \"\": the seed is missing: the row has one field; separate fields as the first line does, by commas, semicolons, tabs or |; line 2 \"\": the seed is missing: the row has one field; separate fields as the first line does, by commas, semicolons, tabs or |"},
		{"columns with other blanks", "serial\u00a0number,shared\u2009secret,o\u200btp type\n1001," + hexSeed + ",hotp", "1001|| HOTP-0-0"},
		{"columns of two lines", "\"serial\nnumber\",secret\n1001," + hexSeed, "1001|| -0-0"},
		{"two byte order marks", "\ufeff\ufeffserial,secret\n1001," + hexSeed, "1001|| -0-0"},
		{"a text formula without quotes around", "serial,secret,type\n=\"0001234\",=\"" + hexSeed + "\",hotp\n =\"0001235\"," + hexSeed + ",hotp\n=x," + hexSeed + ",hotp\na=\"b," + hexSeed + ",", "0001234|| HOTP-0-0; 0001235|| HOTP-0-0; =x|| HOTP-0-0; line 5 \"\": a quote is not closed, or is inside a field without quotes"},
		{"sep=", "sep=;\r\nserial;secret\r\n1001;" + hexSeed, "1001|| -0-0"},
		{"sep= and a bad row", "sep=;\nserial;secret\n1001;" + hexSeed + "\n;" + hexSeed, "1001|| -0-0; line 4 \"\": the serial is missing"},
		{"no-break spaces", "serial,secret\n\u00a01001\u00a0," + hexSeed, "1001|| -0-0"},
		{"empty columns", "serial,secret,,\n1001," + hexSeed + ",,,", "1001|| -0-0"},
		{"a value without a header", "serial,secret,,\n1001," + hexSeed + ",x,", "line 2 \"\": column 3 has no name in the header"},
		// Other columns, other orders.
		{"the hash as sixth", "1001," + hexSeed + ",totp,6,30,sha256", "1001|| TOTP-6-30-HmacSHA256"},
		{"swapped", hexSeed + ",10001001", "line 1 \"\": the serial looks like a seed: are the columns swapped?"},
		{"the type first", "TOTP,1001," + hexSeed, "line 1 \"\": the first column is the type; without a header the columns are serial, seed, type, digits, period or counter, hash: if they differ, name them in the first line"},
		{"safeid", "serial number,secret key,time interval,manufacturer,model\n10001001," + b32Seed + ",60,Deepnet Security,SafeID/Classic", "10001001|| TOTP-0-60"},
		{"a yubico log with semicolons", "LOGGING START;14.10.2012 16:18\n" + strings.ReplaceAll(yubicoRow("cccc1"), ",", ";"), "cccc1|| HOTP-6-0; note: the serial is the public id; the device types it before each OTP"},
		{"a serial in capitals", `<Tokens><Token SERIAL="1"><Seed>` + hexSeed + `</Seed></Token></Tokens>`, "1|| -0-0"},
		{"two serials", `<Tokens><Token serial="1" Serial="2"><Seed>` + hexSeed + `</Seed></Token></Tokens>`, "line 1 \"1\": the token has two serials"},
		{"no time step", "dn: sccAuthenticatorId=X1\nsccTokenData: sccKey=" + hexSeed + ";sccMode=T", "line 1 \"X1\": sccTick is missing, the seconds of a time step; note: the records' signatures were not verified"},
		// Seeds as people paste them.
		{"not seen", "serial,secret\n1," + hexSeed + "\u200b\n2,\ufeff" + hexSeed, "1|| -0-0; 2|| -0-0"},
		{"colons", "serial,secret\n1," + strings.Join(pairs(hexSeed), ":"), "1|| -0-0"},
		{"other dashes", "serial,secret\n1," + b32Seed[:16] + "\u2013" + b32Seed[16:], "1|| -0-0"},
		{"a zero is missing", "serial,secret\n1," + hexSeed + "\n2," + hexSeed[1:], "1|| -0-0; line 3 \"2\": the seed has an odd number of hex digits: one is missing, perhaps a leading zero"},
		{"another alphabet", "serial,secret\n1," + strings.Replace(hexSeed, "a", "\u0430", 1), "line 2 \"1\": the seed contains U+0430, which cannot be part of a seed"},
		{"a feitian file with colons", "1001 " + strings.Join(pairs(hexSeed), ":"), "1001|| -0-0"},
		{"not seen in a URI", uri + "a:b?secret=" + b32Seed + "\u200b", "|a|b TOTP-6-30-HmacSHA1"},
		{"typographic quotes", "\u201c" + uri + "a:b?secret=" + b32Seed + "\u201d", "|a|b TOTP-6-30-HmacSHA1"},
		{"copied from HTML", uri + "a:b?secret=" + b32Seed + "&amp;digits=8", "line 1 \"\": the parameters of the URI cannot be read: it was copied from HTML, where & is written &amp;"},
		// Files that are not text.
		{"a workbook", "PK\x03\x04\x14\x00", "the file is a spreadsheet workbook or an archive: save it as CSV, or unpack it"},
		{"an old workbook", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1,;", "the file is a spreadsheet workbook: save it as CSV"},
		{"compressed", "\x1f\x8b\x08\x00,,", "the file is compressed: unpack it"},
		{"blanks", "\ufeff \r\n\n", "the file is empty"},
		// Values that cannot work.
		{"a counter at the end", "otpauth://hotp/a:b?secret=" + b32Seed + "&counter=9223372036854775807", "line 1 \"\": the counter is not a number from 0 to 9223372036854775806"},
		{"a serial that is not seen", "serial,secret\n10\u200b01," + hexSeed, "line 2 \"\": the serial must not contain invisible characters such as U+200B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := said(t, c.file, seedfile.Options{}); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// yubicoRow is a row in the log of the YubiKey Personalization Tool.
func yubicoRow(id string) string {
	return "OATH-HOTP,14.10.2012 16:19,1," + id + ",," + hexSeed + ",,000000000000,0,0,0,6,0,0,0,0,0,0"
}

// pairs splits a text into pieces of two characters.
func pairs(s string) (p []string) {
	for ; len(s) >= 2; s = s[2:] {
		p = append(p, s[:2])
	}
	return p
}

// TestNoText: for files that are not text, the error says what they are, whatever charset is given.
func TestNoText(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{"PK\x03\x04\u00eb\u0081": "save it as CSV", "\u00d0\u00cf\x11\u00e0\u0081": "save it as CSV", "\x1f\u008b\x08": "unpack it", "%PDF-1.7\n%\u00e2": "is a PDF"} {
		for _, charset := range []string{"", "auto", "windows-1252"} {
			if _, err := seedfile.Decode(file, charset); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q in %q: %v", file, charset, err)
			}
		}
	}
}

// TestUnknownColumnIsNamed: a column whose name is not shown is given by its number, and no option is suggested that would have
// no effect.
func TestUnknownColumnIsNamed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("columnü", 7)
	for _, c := range []struct{ file, want string }{
		{"serial,secret,\"room, floor\"\n1001," + hexSeed + ",7", `column room, floor is unknown, and the OTPs may depend on it; if they do not, ignore it with attrs.ignore or --ignore "room floor"`},
		{"serial,secret," + long + "\n1001," + hexSeed + ",7", `column 3, (a name of 49 characters) is unknown, and the OTPs may depend on it; if they do not, ignore it by its name in attrs.ignore or --ignore`},
	} {
		if got := said(t, c.file, seedfile.Options{}); !strings.HasSuffix(got, c.want) {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	const rows = "domain,loginName,manufacturerCode,productCode,serial,"
	if _, _, err := seedfile.ReadAssignments(rows+long+"\nd,u,DN,SE,1,7\n", 0); err == nil || !strings.Contains(err.Error(), "unknown column 6, (a name of 49 characters)") {
		t.Error(err)
	}
	for _, ignore := range [][]string{{"room floor"}, {"roomfloor", long}} {
		if got := said(t, "serial,secret,\"room, floor\"\n1001,"+hexSeed+",7", seedfile.Options{Ignore: ignore}); !strings.Contains(got, "1001|") {
			t.Error(got)
		}
	}
	if got := said(t, "serial,secret\n#1001,"+hexSeed+"\n1002,"+hexSeed, seedfile.Options{Ignore: []string{"#"}}); !strings.Contains(got, "1 lines that begin with # and look like rows were ignored") {
		t.Error(got)
	}
}

// TestIgnore: something that is refused because it is unknown is accepted if it is named in Ignore, in any spelling.
func TestIgnore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, ignore string }{
		{"serial,secret,Room No\n1001," + hexSeed + ",7", "room_no"},
		{"otpauth://totp/a:b?secret=" + b32Seed + "&encoder=x", "Encoder"},
		{vendor("<vault>7</vault>", goodToken), "vault"},
		{vendor("", "<token><serial>1</serial><seed>3132333435363738393031323334353637383930</seed><vault>7</vault></token>"), "vault"},
		{`<Tokens><Token serial="1"><Seed>` + hexSeed + `</Seed><Vault>7</Vault></Token></Tokens>`, "vault"},
		{"dn: sccAuthenticatorId=X1\nsccVault: 7\nsccTokenData: sccKey=" + hexSeed + ";sccMode=E", "sccvault"},
		{"serial,secret\n#1001," + hexSeed + "\n1002," + hexSeed, "#"},
	} {
		if got := said(t, c.file, seedfile.Options{}); !strings.Contains(got, "attrs.ignore") {
			t.Errorf("%s: %s", c.file, got)
		}
		if got := said(t, c.file, seedfile.Options{Ignore: []string{"other", c.ignore}}); strings.Contains(got, "line ") || !strings.Contains(got, "-0") && !strings.Contains(got, "-6") {
			t.Errorf("%s: %s", c.file, got)
		}
	}
}

// TestUntypedRows: in NetIQ's file, a row without a type is event-based if other rows have a type, unless the product says
// otherwise.
func TestUntypedRows(t *testing.T) {
	t.Parallel()
	f, keys, err := read([]byte("Token001, "+hexSeed+"\nToken002, "+otherSeed+", totp, 8"), seedfile.Options{})
	if err != nil || f.Untyped != seedfile.HOTP || len(keys) != 2 || keys[0].Algorithm != "" {
		t.Errorf("%v %q %+v", err, f.Untyped, keys)
	}
	if f, _, _ := read([]byte("1,"+hexSeed+"\n2,"+otherSeed), seedfile.Options{}); f.Untyped != "" {
		t.Errorf("%q where no row has a type", f.Untyped)
	}
}

// TestPSKCIntegers: decrypted integers of 1 to 8 bytes are read, because vendors write as few bytes as possible.
func TestPSKCIntegers(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{7}, 16), macKey: []byte("mac"), hash: sha1.New}
	for _, b := range [][]byte{{5}, {1, 0}, {1, 0, 0}, {0, 0, 1, 0}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6, 7}, be8(77), []byte("12345")} {
		want := int64(0)
		for _, c := range b {
			want = want<<8 | int64(c)
		}
		if string(b) == "12345" {
			want = 12345
		}
		_, keys, err := read([]byte(pskc(s.head(hmacSHA1), pskcKey(pskcNS+":hotp", sixDigits, plainSecret+s.value("Counter", b), ""), "1.0")), seedfile.Options{PreSharedKey: s.key})
		if err != nil || len(keys) != 1 || keys[0].Counter != want {
			t.Errorf("%v: %v %+v, not %d", b, err, keys, want)
		}
	}
}

// FuzzLabel writes key URIs as this server does, and reads them: the name and the account are unchanged, even if they contain
// colons.
func FuzzLabel(f *testing.F) {
	for _, s := range [][2]string{{"Acme: VPN", "ada"}, {"a:b:c", "d"}, {"x", "y:z"}, {"Team #3", "a?b&c=d"}, {"100%", "%41"}, {"+", " a+b"}, {"a", "a:a"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, name, account string) {
		name, reason := model.Name.Clean(name)
		account, reason2 := model.Name.Clean(account)
		if reason+reason2 != "" || name == "" || account == "" || len(name)+len(account) > 500 || strings.Contains(account, ":") && strings.HasPrefix(account, name) {
			return
		}
		p := &model.Product{Name: name, Algorithm: "TOTP", Digits: 6, Period: 30, Crypto: "HmacSHA1"}
		_, keys, err := read([]byte(model.KeyURI(p, account, []byte("12345678901234567890"), 0)), seedfile.Options{})
		if err != nil || len(keys) != 1 || keys[0].Issuer != name || keys[0].User != account || slices.ContainsFunc(keys[0].Notes, func(n string) bool { return !strings.HasPrefix(n, "a #") }) {
			t.Fatalf("%q %q: %v %+v", name, account, err, keys)
		}
	})
}

// TestCharsets: the names that people use for charsets, and bytes that are in none.
func TestCharsets(t *testing.T) {
	t.Parallel()
	for _, label := range []string{"windows-1252", "cp1252", "CP-1252", "Windows1252", "ANSI", "latin1", "latin-1", "Latin 1", "iso8859-1", "ISO_8859-1", " iso-8859-1 ", "ISO-8859-15", "1252"} {
		if got, err := seedfile.Decode("M\u00fcller", label); err != nil || got != "Müller" {
			t.Errorf("%s: %q %v", label, got, err)
		}
	}
	for label, text := range map[string]string{"cp932": "\u0083A", "936": "\u00a5\u00a2", "CP949": "\u00ab\u00a2", "cp950": "\u00a4\u00a4"} {
		if got, err := seedfile.Decode(text, label); err != nil || len([]rune(got)) != 1 {
			t.Errorf("%s: %q %v", label, got, err)
		}
	}
	for label, text := range map[string]string{"UTF-16": "\u00ff\u00feM\x00\u00fc\x00", "utf-16le": "M\x00\u00fc\x00", "UTF_16BE": "\x00M\x00\u00fc", "auto": "\u00fe\u00ff\x00M\x00\u00fc",
		"windows-1252": "\u00ef\u00bb\u00bfM\u00c3\u00bc"} {
		if got, err := seedfile.Decode(text, label); err != nil || strings.TrimPrefix(got, "\ufeff") != "Mü" {
			t.Errorf("%s: %q %v", label, got, err)
		}
	}
	for label, want := range map[string]string{"auto": "attrs.charset: line 2 is not UTF-8: name the charset of the file, such as windows-1252", "shift_jis": `attrs.charset: line 2 is not "shift_jis"`} {
		if _, err := seedfile.Decode("a\n\u00fc\u0080", label); err == nil || err.Error() != want {
			t.Errorf("%s: %v", label, err)
		}
	}
}
