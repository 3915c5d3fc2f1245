package seedfile_test

import (
	"strings"
	"testing"

	"tokensmith/model/seedfile"
)

// TestHeaderWithoutSeed reads files whose first line names columns, but no known name for the seed or the serial number. They are
// refused as a whole because of this header, in every format with rows and with every given encoding.
func TestHeaderWithoutSeed(t *testing.T) {
	t.Parallel()
	const hex, b32 = "3132333435363738393031323334353637383930", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, header := range []string{
		"Serial Number,Shared Secret Base32", "Serial,OTP Secret Key Base32", "Serial,otp shared secret key", "serial,Token Secret Key Values",
		"S/N,Authenticator Key Value", "Seriennummer,GeheimerSchluessel", "serial,hexseed", "serial,secret (base64)", "serial,seed (hex)", "id,secret",
		"Nummer,GeheimerText", "nummer,geheimertext", "NUMMER,GEHEIMERTEXT", "Ger\u00e4t,Schl\u00fcssel", "device,shared key", "num\u00e9ro,cl\u00e9 partag\u00e9e", "token,value",
		"Serial,JbswyDpehPkpxPqa", "comment,OtherTextOfWords", "Key,Number", "SERIAL,SHARED SECRET BASE32", "nr,otpsecretkeybase32",
	} {
		for _, seed := range []string{hex, b32} {
			for _, encoding := range []seedfile.Encoding{"", seedfile.Base32, seedfile.Base64} {
				for _, comma := range []string{",", ";", "\t"} {
					for _, quote := range []string{"", `"`} {
						first := quote + strings.ReplaceAll(header, ",", quote+","+quote) + quote
						file := strings.ReplaceAll(first+"\n1001,"+seed+"\n1002,"+seed+"\n", ",", comma)
						f, keys, err := read([]byte(file), seedfile.Options{Encoding: encoding})
						if said := refusal(f, err); len(keys) > 0 || !strings.Contains(said, "line 1: the first line is a header") {
							t.Errorf("%q with encode %q: %d keys, %s", first, encoding, len(keys), said)
						}
					}
				}
			}
		}
	}
	for _, again := range []string{"Serial Number,Shared Secret Base32", "serial,seed", "Serial,Authenticator Key Value"} {
		for _, first := range []string{"serial,seed\n", ""} {
			f, _, err := read([]byte(first+"1001,"+b32+"\n"+again+"\n1002,"+b32+"\n"), seedfile.Options{})
			if said := refusal(f, err); !strings.Contains(said, "the line looks like a header") {
				t.Errorf("%q behind %q: %s", again, first, said)
			}
		}
	}
	for _, file := range []string{
		"1001,GEZD2KEY3TQOJQ2GEZDGNBVGY3TQOJQ", "alice,GEZD2KEY3TQOJQ2GEZDGNBVGY3TQOJQQ",
		"1001," + hex + "\n1002," + hex, "1001," + b32, "alice," + b32 + "\nbob," + b32, "abc,JBSWYDPEHPKPXPQA\nabd,JBSWYDPEHPKPXPQB",
		"ab,ABCDEFGHIJKLMNOP\na2,ABCDEFGHIJKLMNOP", "token-a," + b32, "id," + hex, "key," + b32, "1001,Gezdgnbvgy3tqojqgezdgnbvgy3tqojq", "1001,gezd gnbv gy3t qojq gezd gnbv gy3t qojq,totp",
		"Serial No.,Seed\n1001," + hex, "S/N,Secret\n1001," + hex, "Serial #,Seed,type\n1001," + hex + ",totp", "#,secret\n1001," + hex,
		"1001,abcdefabcdefabcdefabcdefabcdefabcdefabcd", "1001," + hex + ",totp,6,30,sha1",
	} {
		if f, keys, err := read([]byte(file), seedfile.Options{}); len(keys) == 0 || refusal(f, err) != "" {
			t.Errorf("refused: %s\n%s", file, refusal(f, err))
		}
	}
}
