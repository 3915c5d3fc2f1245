package seedfile_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tokensmith/model"
	"tokensmith/model/seedfile"
)

const pskcNS = "urn:ietf:params:xml:ns:keyprov:pskc"

// pskc returns a PSKC file.
func pskc(head, packages, version string) string {
	return `<KeyContainer Version="` + version + `" xmlns="` + pskcNS + `" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:xenc11="http://www.w3.org/2009/xmlenc11#">` +
		head + packages + `</KeyContainer>`
}

// pskcKey returns a key package.
func pskcKey(algorithm, parameters, data, rest string) string {
	return `<KeyPackage><DeviceInfo><SerialNo>77</SerialNo></DeviceInfo><Key Id="77" Algorithm="` + algorithm + `"><AlgorithmParameters>` +
		parameters + `</AlgorithmParameters><Data>` + data + `</Data>` + rest + `</Key></KeyPackage>`
}

const (
	sixDigits   = `<ResponseFormat Encoding="DECIMAL" Length="6"/>`
	plainSecret = `<Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret>`
)

// sealer encrypts values like another PSKC program.
type sealer struct {
	key, macKey []byte
	gcm         bool
	hash        func() hash.Hash
}

func (s sealer) encrypt(plain []byte) []byte {
	block, err := aes.NewCipher(s.key)
	if err != nil {
		panic(err)
	}
	if s.gcm {
		gcm, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			panic(err)
		}
		return gcm.Seal(nil, nil, plain, nil)
	}
	iv := make([]byte, 16)
	_, _ = rand.Read(iv)
	pad := 16 - len(plain)%16
	plain = append(append([]byte(nil), plain...), make([]byte, pad)...)
	plain[len(plain)-1] = byte(pad)
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	return append(iv, out...)
}

func (s sealer) data(cipherText []byte) string {
	space, mode := "http://www.w3.org/2001/04/xmlenc#", "cbc"
	if s.gcm {
		space, mode = "http://www.w3.org/2009/xmlenc11#", "gcm"
	}
	return fmt.Sprintf(`<xenc:EncryptionMethod Algorithm="%saes%d-%s"/><xenc:CipherData><xenc:CipherValue>%s</xenc:CipherValue></xenc:CipherData>`,
		space, len(s.key)*8, mode, base64.StdEncoding.EncodeToString(cipherText))
}

// value returns a data element with its MAC.
func (s sealer) value(element string, plain []byte) string {
	sealed := s.encrypt(plain)
	out := "<" + element + "><EncryptedValue>" + s.data(sealed) + "</EncryptedValue>"
	if s.hash != nil {
		mac := hmac.New(s.hash, s.macKey)
		mac.Write(sealed)
		out += "<ValueMAC>" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + "</ValueMAC>"
	}
	return out + "</" + element + ">"
}

func (s sealer) head(macURI string) string {
	head := "<EncryptionKey><ds:KeyName>K</ds:KeyName></EncryptionKey>"
	if s.hash != nil {
		head += `<MACMethod Algorithm="` + macURI + `"><MACKey>` + s.data(s.encrypt(s.macKey)) + "</MACKey></MACMethod>"
	}
	return head
}

const (
	hmacSHA1   = "http://www.w3.org/2000/09/xmldsig#hmac-sha1"
	hmacSHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	hmacSHA512 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512"
)

func be4(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func be8(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// TestPSKCEncrypted decrypts secrets, counters and intervals with every cipher and MAC.
func TestPSKCEncrypted(t *testing.T) {
	t.Parallel()
	seed := []byte("12345678901234567890")
	for _, bits := range []int{128, 192, 256} {
		for _, mac := range []struct {
			uri  string
			hash func() hash.Hash
		}{{hmacSHA1, sha1.New}, {hmacSHA256, sha256.New}, {hmacSHA512, sha512.New}, {"", nil}} {
			t.Run(fmt.Sprint(bits, mac.uri), func(t *testing.T) {
				t.Parallel()
				s := sealer{key: bytes.Repeat([]byte{7}, bits/8), macKey: []byte("a key for the MAC"), gcm: mac.hash == nil, hash: mac.hash}
				file := pskc(s.head(mac.uri),
					pskcKey(pskcNS+":hotp", sixDigits, s.value("Secret", seed)+s.value("Counter", be8(1<<33)), "")+
						pskcKey(pskcNS+":hotp", sixDigits, s.value("Secret", seed)+s.value("Counter", []byte("298507")), "")+
						pskcKey(pskcNS+":totp", sixDigits, s.value("Secret", seed)+s.value("Time", be8(0))+s.value("TimeInterval", be4(60))+s.value("TimeDrift", be4(0xFFFFFFFE)), ""), "1.0")
				_, keys, err := read([]byte(file), seedfile.Options{PreSharedKey: s.key})
				if err != nil {
					t.Fatal(err)
				}
				want := []seedfile.Key{
					{Serial: "77", KeyID: "77", Algorithm: "HOTP", Digits: 6, Counter: 1 << 33, Secret: seed},
					{Serial: "77", KeyID: "77", Algorithm: "HOTP", Digits: 6, Counter: 298507, Secret: seed},
					{Serial: "77", KeyID: "77", Algorithm: "TOTP", Digits: 6, Period: 60, Drift: -2, Secret: seed},
				}
				if diff := cmp.Diff(want, keys, cmpopts.IgnoreFields(seedfile.Key{}, "Line")); diff != "" {
					t.Error(diff)
				}
				wrong := bytes.Repeat([]byte{8}, bits/8)
				for _, opts := range []seedfile.Options{{}, {PreSharedKey: wrong}, {PreSharedKey: wrong[1:]}, {Password: model.Secret("x")}} {
					_, keys, err := read([]byte(file), opts)
					if !isKind(err, model.FileKey) || len(keys) != 0 {
						t.Errorf("a wrong key gives %d keys and %v", len(keys), err)
					}
				}
			})
		}
	}
}

func isKind(err error, kind model.Kind) bool {
	var e *model.Error
	return errors.As(err, &e) && e.Kind == kind
}

// TestPSKCAltered changes one bit in every encrypted value and MAC: the error is always FileKey, and the file gives no key.
func TestPSKCAltered(t *testing.T) {
	t.Parallel()
	sealed := regexp.MustCompile(`(?:CipherValue|ValueMAC)>\s*([A-Za-z0-9+/=]+)`)
	for _, path := range []string{"rfc6030-figure6.xml", "rfc6030-figure7.xml"} {
		data, err := os.ReadFile(vectors + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		spots := sealed.FindAllSubmatchIndex(data, -1)
		if len(spots) != 3 {
			t.Fatalf("%s has %d encrypted values and MACs", path, len(spots))
		}
		for _, spot := range spots {
			for at := spot[2]; at < spot[3]-3; at += 7 {
				bad := bytes.Clone(data)
				if bad[at] == 'A' {
					bad[at] = 'B'
				} else {
					bad[at] = 'A'
				}
				_, keys, err := read(bad, vectorOptions[path])
				if !isKind(err, model.FileKey) || len(keys) > 0 {
					t.Errorf("%s altered at %d: %d keys, %v", path, at, len(keys), err)
				}
			}
		}
	}
	data, _ := os.ReadFile(vectors + "/rfc6030-figure7.xml")
	if _, keys, err := read(data, seedfile.Options{Password: model.Secret("qwertz")}); !isKind(err, model.FileKey) || len(keys) > 0 {
		t.Errorf("a wrong password gives %d keys, %v", len(keys), err)
	}
}

// TestPSKCRefused reads what RFC 6030 forbids or we cannot support: rows are refused, or the file with an error.
func TestPSKCRefused(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{7}, 16), macKey: []byte("mac"), hash: sha1.New}
	noMAC := s
	noMAC.hash = nil
	hotp := pskcNS + ":hotp"
	derived := func(params string) string {
		return `<EncryptionKey><xenc11:DerivedKey><xenc11:KeyDerivationMethod Algorithm="http://www.w3.org/2009/xmlenc11#pbkdf2"><xenc11:PBKDF2-params>` +
			params + `</xenc11:PBKDF2-params></xenc11:KeyDerivationMethod></xenc11:DerivedKey></EncryptionKey>`
	}
	const salt = "<Salt><Specified>AAAA</Specified></Salt>"
	for _, c := range []struct{ name, head, packages, want string }{
		{"cbc without mac method", noMAC.head(""), pskcKey(hotp, sixDigits, noMAC.value("Secret", []byte("seed")), ""), "a value is encrypted with AES-CBC and the file has no MAC, which RFC 6030 requires"},
		{"cbc without value mac", s.head(hmacSHA1), pskcKey(hotp, sixDigits, noMAC.value("Secret", []byte("seed")), ""), "a value is encrypted with AES-CBC and has no ValueMAC, which RFC 6030 requires"},
		{"counter without mac", s.head(hmacSHA1), pskcKey(hotp, sixDigits, plainSecret+noMAC.value("Counter", be8(1)), ""), "a value is encrypted with AES-CBC and has no ValueMAC, which RFC 6030 requires"},
		{"ambiguous counter", s.head(hmacSHA1), pskcKey(hotp, sixDigits, plainSecret+s.value("Counter", []byte("1234")), ""), "the value of <Counter> could be a number in bytes or in digits, which have different values"},
		{"long counter", s.head(hmacSHA1), pskcKey(hotp, sixDigits, plainSecret+s.value("Counter", []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}), ""), "the value of <Counter> is not a number of 1 to 8 bytes"},
		{"base64 counter", "", pskcKey(hotp, sixDigits, plainSecret+"<Counter><PlainValue>NzA5</PlainValue></Counter>", ""), "the value of <Counter> is not a number"},
		{"huge interval", "", pskcKey(pskcNS+":totp", sixDigits, plainSecret+"<TimeInterval><PlainValue>0</PlainValue></TimeInterval>", ""), "the time interval is out of range"},
		{"md5 mac", `<MACMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-md5"/>`, "", `error: line 1: MAC method "http://www.w3.org/2001/04/xmldsig-more#hmac-md5" is not supported`},
		{"iterations", derived(salt + "<IterationCount>1000001</IterationCount>"), "", `error: line 1: "1000001" iterations are not supported, only 1 to 1000000`},
		{"no salt", derived("<IterationCount>1000</IterationCount>"), "", `error: line 1: the salt of the key derivation is missing or not valid`},
		{"prf", derived(salt + `<IterationCount>1000</IterationCount><PRF Algorithm="urn:x"/>`), "", `error: line 1: pseudo-random function "urn:x" is not supported`},
		{"kdf", strings.ReplaceAll(derived(""), "pbkdf2", "scrypt"), "", `error: line 1: key derivation "http://www.w3.org/2009/xmlenc11#scrypt" is not supported, only PBKDF2`},
		{"3des", "", pskcKey(hotp, sixDigits, strings.ReplaceAll(s.value("Secret", []byte("seed")), "aes128-cbc", "tripledes-cbc"), ""), `encryption method "http://www.w3.org/2001/04/xmlenc#tripledes-cbc" is not supported, only AES-CBC and AES-GCM`},
		{"late key", "", pskcKey(hotp, sixDigits, plainSecret, "") + "<EncryptionKey/>", "error: line 1: <EncryptionKey> comes after the first key package"},
		{"algorithm", "", pskcKey("urn:ietf:params:xml:ns:keyprov:pskc:securid-aes", sixDigits, plainSecret, ""), `algorithm "urn:ietf:params:xml:ns:keyprov:pskc:securid-aes" is not supported, only HOTP and TOTP`},
		{"suite", "", pskcKey(hotp, "<Suite>HMAC-MD5</Suite>"+sixDigits, plainSecret, ""), `suite "HMAC-MD5" is not supported`},
		{"digits", "", pskcKey(hotp, `<ResponseFormat Encoding="DECIMAL" Length="7"/>`, plainSecret, ""), `"7" digits are not supported, only 6 or 8`},
		{"encoding", "", pskcKey(hotp, `<ResponseFormat Encoding="HEXADECIMAL" Length="6"/>`, plainSecret, ""), `response encoding "HEXADECIMAL" is not supported, only DECIMAL`},
		{"check digits", "", pskcKey(hotp, `<ResponseFormat Encoding="DECIMAL" Length="6" CheckDigits="true"/>`, plainSecret, ""), "check digits are not supported"},
		{"hex secret", "", pskcKey(hotp, sixDigits, "<Secret><PlainValue>3132333435363738393031323334353637383930</PlainValue></Secret>", ""), "the secret looks like HEX, but PSKC has base64 there; give encode HEX, or BASE64 if it is base64"},
		{"two values", "", pskcKey(hotp, sixDigits, "<Secret><PlainValue>MTIz</PlainValue><EncryptedValue/></Secret>", ""), "<Secret> has both a plain and an encrypted value"},
		{"no value", "", pskcKey(hotp, sixDigits, "<Secret/>", ""), "<Secret> has no value"},
		{"foreign value", "", pskcKey(hotp, sixDigits, `<Secret><PlainValue xmlns="urn:x">MTIz</PlainValue></Secret>`, ""), "<Secret> has an unknown or repeated element <PlainValue>"},
		{"usage", "", pskcKey(hotp, sixDigits, plainSecret, "<Policy><KeyUsage>CR</KeyUsage></Policy>"), `the policy does not permit OTP, only "CR"`},
		{"pin in otp", "", pskcKey(hotp, sixDigits, plainSecret, `<Policy><PINPolicy PINUsageMode="Algorithmic"/></Policy>`), `PIN usage mode "Algorithmic" is not supported`},
		{"pin attribute", "", pskcKey(hotp, sixDigits, plainSecret, `<Policy><PINPolicy Colour="red"/></Policy>`), "policy attribute Colour is unknown, so the key must not be used"},
		{"policy date", "", pskcKey(hotp, sixDigits, plainSecret, `<Policy><StartDate>soon</StartDate></Policy>`), "policy StartDate is not a date, so the key must not be used"},
		{"device draft", "", "<Device/>", "error: line 1: <Device> belongs to a draft of RFC 6030, which is not supported"},
		{"no key", "", "<KeyPackage/>", "the package has no key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, keys, err := read([]byte(pskc(c.head, c.packages, "1.0")), seedfile.Options{PreSharedKey: s.key})
			got := ""
			for _, r := range f.Bad.Rows {
				got += r.Reason
			}
			var e *model.Error
			if errors.As(err, &e) {
				got = "error: " + e.Msg
			}
			if got != c.want || err == nil && len(keys) > 0 {
				t.Errorf("%d keys\ngot  %s\nwant %s", len(keys), got, c.want)
			}
		})
	}
}

// TestPSKCOtherWriters reads spellings that are not in RFC 6030 but are unambiguous.
func TestPSKCOtherWriters(t *testing.T) {
	t.Parallel()
	s := sealer{key: bytes.Repeat([]byte{7}, 16), macKey: []byte("mac"), hash: sha1.New}
	seed := []byte("12345678901234567890")
	mac := hmac.New(sha1.New, s.macKey)
	mac.Write(seed)
	overPlain := "<Secret><EncryptedValue>" + s.data(s.encrypt(seed)) + "</EncryptedValue><ValueMAC>" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + "</ValueMAC></Secret>"
	sameKey := s
	sameKey.macKey = s.key
	for _, c := range []struct{ name, file, note string }{
		{"mac over the plain value", pskc(s.head(hmacSHA1), pskcKey("hotp", sixDigits, overPlain, ""), "1.0"), "the MAC is right, but it is over the plain value, which is not what RFC 6030 says"},
		{"no mac key", pskc(`<EncryptionKey/><MACMethod Algorithm="`+hmacSHA1+`"/>`, pskcKey(pskcNS+"#hotp", sixDigits, sameKey.value("Secret", seed), ""), "1.0"), ""},
		{"hex", pskc("", pskcKey("HOTP", sixDigits, "<Secret><PlainValue>3132333435363738393031323334353637383930</PlainValue></Secret>", ""), "1.0"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, keys, err := read([]byte(c.file), seedfile.Options{PreSharedKey: s.key, Encoding: seedfile.Hex})
			if err != nil || len(keys) != 1 || !bytes.Equal(keys[0].Secret, seed) {
				t.Fatal(keys, err)
			}
			if got := strings.Join(keys[0].Notes, ";"); got != c.note {
				t.Errorf("note %q, want %q", got, c.note)
			}
		})
	}
}
