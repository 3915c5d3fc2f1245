package model_test

import (
	"encoding/csv"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"golang.org/x/text/unicode/norm"

	"tokensmith/model"
)

// TestNaming: what every rule refuses, and what no rule refuses.
func TestNaming(t *testing.T) {
	t.Parallel()
	refused := []string{"10\u200b01", "1001\u202e", "\ufeff1001", "10\x0001", "10\x1b01", "10\u008501", "a\ufffdb", "a\ufffeb", "\xff", "a\u200db",
		"soft\u00adhyphen", "a\u2028b", "a\u2029b", "ខ\u17b5", "a\ufffcb", "a\u2065b", "tag\U000e0041", "\u2066x\u2069", "hangul\u3164", "a\ufe0f", "1\ufe0f", "a\U000e0100", "ب\U000e0100", "a\u180b", "a\u034fb", "x\u200c", "ه\u200c\u200c", "❤\u200dx", "x\u200d❤",
		"\u200d❤", "❤\ufe0f\ufe0f", "日本\u200d", "🏴\U000e0067", "🏴\U000e0067\U000e0067\U000e0067\U000e0067\U000e0067\U000e0067\U000e0067\U000e007f", "🏴\U000e007f", "\u180bᠠ", "\ufe0fx", "+\ufe0f", "+\u200d❤"}
	for _, n := range []model.Naming{model.Name, model.CodeName} {
		for _, s := range refused {
			if clean, reason := n.Clean(s); reason == "" {
				t.Errorf("rule %d takes %+q as %+q", n, s, clean)
			}
		}
		for _, s := range []string{"", "A&B<1>", "ключ-7", "0001", "a b", "'x", `"q"`, "test domain", "O'Brien", "'t Hart", "日本語", "نامه\u200cای", "क्\u200dष", "12E5678", "#1",
			"❤\ufe0f", "1\ufe0f\u20e3", "🏳\ufe0f\u200d🌈", "👨\u200d👩\u200d👧", "🧑🏽\u200d⚕\ufe0f", "🙂\u200d↔\ufe0f", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "🇩🇪",
			"葛\U000e0100城", "\u4fae\ufe00", "ᠠ\u180b", "אָ\u034fב", "کوردە\u200c", "نه\u200dـ", "क\u200dष", "الله\u064e\u200c", "ꦏ꧀\u200dꦏ", "‼\ufe0f"} {
			if clean, reason := n.Clean(s); clean != s || reason != "" {
				t.Errorf("rule %d makes %+q of %+q: %s", n, clean, s, reason)
			}
		}
		if clean, _ := n.Clean("Mu\u0308ller"); clean != "Müller" {
			t.Errorf("rule %d gives %+q", n, clean)
		}
		if clean, _ := n.Clean("a\u00a0b"); clean != "a b" {
			t.Errorf("rule %d gives %+q", n, clean)
		}
	}
	for _, s := range []string{" x", "x ", "x\n", "\tx", "x\u00a0", "\u2003x"} {
		if clean, reason := model.Name.Clean(s); clean != "x" || reason != "" {
			t.Errorf("%q: %q, %s", s, clean, reason)
		}
		if _, reason := model.CodeName.Clean(s); reason == "" {
			t.Errorf("a code takes %q", s)
		}
	}
	if clean, reason := model.AnyText.Clean("  two\r\nlines\tand\u200b more \n"); clean != "two\nlines\tand\u200b more" || reason != "" {
		t.Errorf("%q, %s", clean, reason)
	}
}

// FuzzNaming applies every rule to a text. The result is not changed by applying the rule again, nor by CSV and XML.
func FuzzNaming(f *testing.F) {
	for _, s := range []string{"x", " x\n", "e\u0301\u031f", "a,b;\"c\"", "<&>", "]]>", "\u200cx", "क्\u200d", "a\r\nb", "=1+1", "\t", "🏳\ufe0f\u200d🌈", "葛\U000e0100", "1\ufe0f\u20e3", "אָ\u034fב"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, n := range []model.Naming{model.AnyText, model.Name, model.CodeName} {
			clean, reason := n.Clean(text)
			if reason != "" {
				continue
			}
			if again, reason := n.Clean(clean); again != clean || reason != "" {
				t.Fatalf("rule %d: %+q becomes %+q, and that %+q, %s", n, text, clean, again, reason)
			}
			if !norm.NFC.IsNormalString(clean) || model.Trim(clean) != clean {
				t.Fatalf("rule %d gives %+q", n, clean)
			}
			var b strings.Builder
			w := csv.NewWriter(&b)
			w.Write([]string{"1", clean})
			w.Flush()
			if row, err := csv.NewReader(strings.NewReader(b.String())).Read(); err != nil || row[1] != clean {
				t.Fatalf("rule %d: CSV makes %q of %+q, %v", n, row, clean, err)
			}
			b.Reset()
			xml.EscapeText(&b, []byte(clean))
			d := xml.NewDecoder(strings.NewReader("<x>" + b.String() + "</x>"))
			d.Token()
			got := ""
			for {
				token, err := d.Token()
				if err != nil && err != io.EOF {
					t.Fatalf("rule %d: XML does not hold %+q: %v", n, clean, err)
				}
				data, ok := token.(xml.CharData)
				if !ok {
					break
				}
				got += string(data)
			}
			if got != clean {
				t.Fatalf("rule %d: XML makes %+q of %+q", n, got, clean)
			}
		}
	})
}

func TestMayBeSeed(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"3132333435363738393031323334353637383930": true, "GEZDGNBVGY3TQOJQ": true, "gezd gnbv gy3t qojq": true, "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=": true,
		"1001": false, "12345678": false, "1234567890123456": false, "FT-2001-0042": false, "FT12345678901": false, "": false,
		"maria-magdalena@contoso.example": false,
	} {
		if got := model.MayBeSeed(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestPasted: what people paste, and what they meant.
func TestPasted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"123 456": "123456", " 123456\r\n": "123456", "123\u00a0456": "123456", "１２３４５６": "123456", "\u200b123\ufeff456": "123456",
		"12-34": "12-34", "": ""} {
		if got := model.CleanPasted(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, c := range []struct{ text, pin, code string }{
		{"123456", "", "123456"}, {"123-456", "", "123456"}, {"1234123-456", "1234", "123456"}, {"12-34123456", "12-34", "123456"}, {"12-123456", "12-", "123456"},
		{"abcd12–34—56", "abcd", "123456"}, {"12-3412-34-56", "12-34", "123456"}, {"-123456", "", "123456"}, {"—123456", "", "123456"}, {"----123456", "----", "123456"}, {"1234-123456", "1234-", "123456"},
		{"123456-", "", "123456"}, {"123-456–", "", "123456"}, {"1234123456—", "1234", "123456"}, {"12-34123456-", "12-34", "123456"},
	} {
		cred := model.Credential{Digits: 6}
		for r := range cred.Readings(c.text) {
			if string(r.PIN) != c.pin || r.Code != c.code || r.New != nil {
				t.Errorf("%q: %q %q", c.text, []byte(r.PIN), r.Code)
			}
			c.code = ""
		}
		if c.code != "" {
			t.Errorf("%q is not read", c.text)
		}
	}
	for _, code := range []string{"k7qf3-9tmxw", "K7QF3—9TMXW\n", " K7QF3 9TMXW ", "Ｋ７ＱＦ３９ＴＭＸＷ", "K7QF3\u200b9TMXW"} {
		if got := model.NormalCode(code); got != "K7QF39TMXW" {
			t.Errorf("%q: %q", code, got)
		}
	}
}

// TestMoment: a date without a time is its beginning or its end in its zone, even on days when the clocks change. A time is
// unchanged.
func TestMoment(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		text string
		ends bool
		want string
	}{
		{"2026-01-31", false, "2026-01-30T23:00:00Z"}, {"2026-01-31", true, "2026-01-31T22:59:59.999Z"},
		{"2026-03-29", true, "2026-03-29T21:59:59.999Z"}, {"2026-10-25", true, "2026-10-25T22:59:59.999Z"},
		{"2026-01-31T10:00:00+02:00", true, "2026-01-31T08:00:00Z"},
		{"9999-12-31T23:59:59-05:00", true, "9999-12-31T23:59:59.999Z"},
		// As written by PostgreSQL, Java, the date command and others.
		{"2026-01-31 10:00:00+02", true, "2026-01-31T08:00:00Z"}, {"2026-01-31T10:00:00.5+0200", true, "2026-01-31T08:00:00.5Z"},
		{"2026-01-31 10:00:00+02:00", true, "2026-01-31T08:00:00Z"}, {"2026-01-31t10:00z", true, "2026-01-31T10:00:00Z"}, {"2026-01-31 10:00-0330", true, "2026-01-31T13:30:00Z"},
	} {
		m, ok := model.ParseMoment(c.text, c.ends)
		if got := m.In(berlin).String(); !ok || got != c.want {
			t.Errorf("%s: %s, not %s", c.text, got, c.want)
		}
	}
	if m, ok := model.ParseMoment("2026-01-31", true); !ok || m.In(nil).String() != "2026-01-31T23:59:59.999Z" {
		t.Error(m.In(nil))
	}
	// The end of the last possible day can be written again, in every zone.
	for _, place := range []string{"America/New_York", "Pacific/Auckland", "UTC"} {
		m, ok := model.ParseMoment("9999-12-31", true)
		end := m.In(zone(t, place))
		if again, back := model.ParseMoment(end.String(), true); !ok || !back || again.In(nil) != end {
			t.Errorf("%s: %s, %v", place, end, back)
		}
	}
	for _, bad := range []string{"", "2026-02-30", "31.01.2026", "2026-01-31T10:00:00", "2026-01-31 10:00:00", "2026-01-31 10:00 PM", "2026-01-31T10:00:00+2", "20260131T100000Z", "2026-01-31Z", "tomorrow", "1960-01-01"} {
		if _, ok := model.ParseMoment(bad, true); ok {
			t.Errorf("%q is a date", bad)
		}
	}
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestHidden: which texts from a file no message may show, and which it must show, such as the names that programs give to
// columns.
func TestHidden(t *testing.T) {
	t.Parallel()
	for _, seed := range []string{"3132333435363738393031323334353637383930", "31:32:33:34:35:36:37:38:39:30", "31 32 33 34 35 36 37 38 39 30", "31.32.33.34.35.36.37.38.39.30",
		"GEZDGNBVGY3TQOJQ", "gezdgnbvgy3tqojq", "gezd gnbv gy3t qojq", "GEZD-GNBV-GY3T-QOJQ", "JBSWYDPEHPKPXPQ", "jbswydpehpkpxpqa", "JBSWYDPEHPKPXPQAJBSWYDPEHPKPXPQA",
		"ABCDEFGHIJKLMNOP", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="} {
		if !model.Hidden(seed) {
			t.Errorf("%q is shown", seed)
		}
	}
	for _, name := range []string{"timeIntervalInSeconds", "distinguishedName", "organizationalUnit", "physicalDeliveryOfficeName", "extensionAttribute1", "ManufacturerName",
		"hashAlgorithmName", "physicaldeliveryofficename", "otp shared secret key", "OTP Secret Key Base32", "msDSPrincipalName", "room", "hotp", "1001", "jennifer.christopherson", "Geheimnisträger"} {
		if model.Hidden(name) {
			t.Errorf("%q is hidden", name)
		}
	}
}
