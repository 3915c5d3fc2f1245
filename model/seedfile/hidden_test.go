package seedfile_test

import (
	"fmt"
	"strings"
	"testing"

	"tokensmith/model/seedfile"
)

// TestSeedsHidden puts seeds, in every encoding, in the places of other values: no refusal and no note shows one.
func TestSeedsHidden(t *testing.T) {
	t.Parallel()
	const good = "3132333435363738393031323334353637383930"
	for _, seed := range []string{good, "31:32:33:34:35:36:37:38:39:30:31:32:33:34:35:36:37:38:39:30", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "JBSWYDPEHPKPXPQAJBSWYDPEHPKPXPQA",
		"jbswydpehpkpxpqa", "JBSWYDPEHPKPXPQ", "GEZD GNBV GY3T QOJQ", "Zm9vYmFyYmF6cXV1eDEyMzQ1Njc="} {
		for i, file := range []string{
			seed + ",1001\n" + seed + ",1002\n",
			"1001," + good + "," + seed + "\n",
			"1001," + good + ",totp," + seed + "\n",
			"1001," + good + ",totp,6," + seed + "\n",
			"1001," + good + ",totp,6,30," + seed + "\n",
			"serial,seed," + seed + "\n1001," + good + ",1\n",
			seed + ",seed,serial\n1001," + good + ",1\n",
			"serial," + seed + "\n1001," + good + "\n",
			"serial,seed,algorithm\n1001," + good + "," + seed + "\n",
			"serial,seed,encode\n1001," + good + "," + seed + "\n",
			"otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&" + strings.ReplaceAll(seed, " ", "%20") + "=1",
			"otpauth://" + seed + "/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
			"otpauth://totp/a?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=" + seed,
			pskc("", pskcKey(pskcNS+":totp", "<Suite>"+seed+"</Suite>", plainSecret, ""), "1.0"),
			pskc("", pskcKey(seed, sixDigits, plainSecret, ""), "1.0"),
			pskc("", pskcKey(pskcNS+":"+seed, sixDigits, plainSecret, ""), "1.0"),
			pskc("", pskcKey(pskcNS+":totp", `<ResponseFormat Encoding="`+seed+`" Length="6"/>`, plainSecret, ""), "1.0"),
			vendor("<crypto>"+seed+"</crypto>", goodToken),
			vendor("<encrypt>"+seed+"</encrypt>", goodToken),
			vendor("<digits>"+seed+"</digits>", goodToken),
		} {
			f, keys, err := read([]byte(file), seedfile.Options{})
			said := strings.Join(f.Notes, "\n") + refusal(f, err)
			for _, k := range keys {
				said += fmt.Sprint(k.Notes)
			}
			if said == "" || strings.Contains(strings.ToLower(said), strings.ToLower(seed)) {
				t.Errorf("file %d with %s: %s", i, seed, said)
			}
		}
	}
}
