package radius

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of RFC 2865, section 7, and of RFC 5997, section 6.1, whose request has a Message-Authenticator as RFC 2869, section 5.14,
// and RFC 3579, section 3.2, have it. All have the secret xyzzy5461.
func TestExamples(t *testing.T) {
	t.Parallel()
	secret := []byte("xyzzy5461")
	for _, c := range []struct{ name, request, reply, user, password, state string }{
		{"RFC 2865, 7.1", `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee
			04 06 c0 a8 01 10 05 06 00 00 00 03`,
			`02 00 00 26 86 fe 22 0e 76 24 ba 2a 10 05 f6 bf 9b 55 e0 b2 06 06 00 00 00 01 0f 06 00 00 00 00 0e 06 c0 a8 01 03`, "nemo", "arctangent", ""},
		{"RFC 2865, 7.3, challenge", `01 02 00 39 f3 a4 7a 1f 6a 6d 76 71 0b 94 7a b9 30 41 a0 39 01 07 6d 6f 70 73 79 02 12 33 65 75 73 77 82 89 b5 70 88 5e 15 08 48 25 c5
			04 06 c0 a8 01 10 05 06 00 00 00 07`,
			`0b 02 00 4e 36 f3 c8 76 4a e8 c7 11 57 40 3c 0c 71 ff 9c 45 12 30 43 68 61 6c 6c 65 6e 67 65 20 33 32 37 36 39 34 33 30 2e 20 20 45 6e 74 65 72
			20 72 65 73 70 6f 6e 73 65 20 61 74 20 70 72 6f 6d 70 74 2e 18 0a 33 32 37 36 39 34 33 30`, "mopsy", "challenge", ""},
		{"RFC 2865, 7.3, response", `01 03 00 43 b1 22 55 6d 42 8a 13 d0 d6 25 38 07 c4 57 ec f0 01 07 6d 6f 70 73 79 02 12 69 2c 1f 20 5f c0 81 b9 19 b9 51 95 f5 61 a5 81
			04 06 c0 a8 01 10 05 06 00 00 00 07 18 0a 33 32 37 36 39 34 33 30`,
			`03 03 00 14 a4 2f 4f ca 45 91 6c 4e 09 c8 34 0f 9e 74 6a a0`, "mopsy", "99101462", "32769430"},
	} {
		request, reply := unhex(t, c.request), unhex(t, c.reply)
		r, reason := read(request)
		if reason != "" {
			t.Errorf("%s: dropped: %s", c.name, reason)
			continue
		}
		password, ok := r.password(secret)
		if !ok || string(password) != c.password || r.text(rfc2865.UserName_Type) != c.user || r.text(rfc2865.State_Type) != c.state {
			t.Errorf("%s: user %q, password %q, State %q", c.name, r.text(rfc2865.UserName_Type), string(password), r.text(rfc2865.State_Type))
		}
		if !radius.IsAuthenticResponse(reply, request, secret) {
			t.Errorf("%s: the reply is not authentic", c.name)
		}
		// The reply that this server would send says the same, with a Message-Authenticator in front.
		p, err := radius.Parse(reply, secret)
		if err != nil {
			t.Fatal(err)
		}
		ours, err := r.answer(secret, p.Code, p.Attributes)
		if err != nil || !radius.IsAuthenticResponse(ours, request, secret) || !bytes.Equal(ours[38:], reply[20:]) || ours[20] != 80 || ours[21] != 18 {
			t.Errorf("%s: our reply: %x %v", c.name, ours, err)
		}
		if ours, err = r.answer([]byte("xyzzy5462"), p.Code, p.Attributes); err != nil || radius.IsAuthenticResponse(ours, request, secret) {
			t.Errorf("%s: another secret makes the same reply", c.name)
		}
	}
	// 7.2 is CHAP.
	r, reason := read(unhex(t, `01 01 00 47 2a ee 86 f0 8d 0d 55 96 9c a5 97 8e 0d 33 67 a2 01 08 66 6c 6f 70 73 79 03 13 16 e9 75 57 c3 16 18 58 95 f2 93 ff 63 44 07 72 75
		04 06 c0 a8 01 10 05 06 00 00 00 14 06 06 00 00 00 02 07 06 00 00 00 01`))
	if reason != "" || r.notTaken() != "CHAP" {
		t.Errorf("RFC 2865, 7.2: %q", reason)
	}
	status := unhex(t, `0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3`)
	r, reason = read(status)
	if reason != "" || r.ma == 0 || !r.proves(secret) || r.proves([]byte("xyzzy5462")) {
		t.Errorf("RFC 5997, 6.1: %q", reason)
	}
	status[10] ^= 1
	if r, _ = read(status); r.proves(secret) {
		t.Error("RFC 5997, 6.1: a changed packet is proven")
	}
}

// FuzzRead: any datagram is read or dropped, in at most 64 kB of memory, and what is read can be answered.
func FuzzRead(f *testing.F) {
	f.Add(unhex(f, `01 00 00 38 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 01 06 6e 65 6d 6f 02 12 0d be 70 8d 93 d4 13 ce 31 96 e4 3f 78 2a 0a ee 04 06 c0 a8 01 10 05 06 00 00 00 03`))
	f.Add(unhex(f, `0c da 00 26 8a 54 f4 68 6f b3 94 c5 28 66 e3 02 18 5d 06 23 50 12 5a 66 5e 2e 1e 84 11 f3 e2 43 82 20 97 c8 4f a3`))
	f.Add(append(unhex(f, `01 00 10 00 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a`), bytes.Repeat([]byte{1, 2}, 2038)...)) // empty attributes, as many as there can be
	f.Add(append(unhex(f, `01 00 01 a4 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a`), bytes.Repeat([]byte{33, 2}, 200)...))
	f.Add(unhex(f, `01 00 00 16 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 1a 08`))
	f.Add(unhex(f, `01 00 00 1e 0f 40 3f 94 73 97 80 57 bd 83 d5 cb 98 f4 22 7a 1a 0a 00 00 01 37 19`))
	f.Fuzz(func(t *testing.T, b []byte) {
		least := uint64(1 << 62)
		for range 3 { // the least, as others may allocate at the same time
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, reason := read(b)
			if (r == nil) == (reason == "") {
				t.Fatalf("read and dropped: %q", reason)
			}
			if r != nil {
				r.notTaken()
				r.password([]byte("correct-horse-battery"))
				if r.ma != 0 {
					r.proves([]byte("correct-horse-battery"))
				}
				reply, err := r.answer([]byte("correct-horse-battery"), radius.CodeAccessChallenge, radius.Attributes{{Type: rfc2865.ReplyMessage_Type, Attribute: make([]byte, maxReplyBytes/8)}})
				if err != nil || len(reply) > radius.MaxPacketLength {
					t.Fatalf("a request that cannot be answered: %v", err)
				}
			}
			runtime.ReadMemStats(&after)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if least > 64<<10 {
			t.Fatalf("it took %d bytes", least)
		}
	})
}

// TestReplyAttributes: lines of attributes are read as they are meant, or refused, and whatever is accepted fits into a reply.
func TestReplyAttributes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Class=0xabcd": "25=abcd", "class = x": "25=78", "Session-Timeout=3600": "27=00000e10", "Service-Type=login-user": "6=00000001",
		"Framed-IP-Address=192.0.2.1": "8=c0000201", "Fortinet-Group-Name=a": "26=000030440103" + "61", "Filter-Id=a=b": "11=613d62",
		"Class=0xabc": "", "Class=": "", "Nothing=1": "", "Class": "", "State=1": "", "Proxy-State=1": "", "Session-Timeout=-1": "", "Session-Timeout={login}": "",
		"Framed-IP-Address=2001:db8::1": "", strings.Repeat("Class=x\n", 33): "", strings.Repeat("Class={login}\n", 6): "",
		"Class=" + strings.Repeat("x", 254): "", "Cisco-AVPair=" + strings.Repeat("x", 248): "",
	} {
		all, reason := parseAttributes(text)
		if (reason == "") != (want != "") {
			t.Errorf("%.40q: %q", text, reason)
			continue
		}
		if want == "" {
			continue
		}
		got := attributesFor(all, "ada", nil)
		if len(got) != 1 || hexOf(got[0]) != want {
			t.Errorf("%q: %v, not %s", text, got, want)
		}
	}
	all, reason := parseAttributes("Class={login}\nb/Class=2\nA b/Class=3\n")
	if reason != "" {
		t.Fatal(reason)
	}
	if got := attributesFor(all, strings.Repeat("é", 200), []string{"a B"}); len(got) != 2 || len(got[0].Attribute) > maxValue || string(got[1].Attribute) != "3" {
		t.Errorf("attributes of a group: %v", got)
	}
}

func hexOf(a *radius.AVP) string { return fmt.Sprintf("%d=%x", a.Type, []byte(a.Attribute)) }
