package seedfile

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"hash"
	"slices"
	"strings"

	"tokensmith/model"
)

// pskcCiphers are the encryption algorithms by URI.
var pskcCiphers = map[string]struct {
	keyBytes int
	gcm      bool
}{
	nsXENC + "aes128-cbc":   {16, false},
	nsXENC + "aes192-cbc":   {24, false},
	nsXENC + "aes256-cbc":   {32, false},
	nsXENC11 + "aes128-gcm": {16, true},
	nsXENC11 + "aes192-gcm": {24, true},
	nsXENC11 + "aes256-gcm": {32, true},
}

// uriHMACSHA256 is the URI of HMAC with SHA-256.
const uriHMACSHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"

// pskcHash returns the hash function of an HMAC by its URI in XML signatures; nil if it is not supported. Some programs use the
// wrong one of the two namespaces for a name; the meaning is still clear.
func pskcHash(uri string) func() hash.Hash {
	tail, ok := strings.CutPrefix(uri, nsDS)
	if !ok {
		tail, ok = strings.CutPrefix(uri, "http://www.w3.org/2001/04/xmldsig-more#")
	}
	if !ok {
		return nil
	}
	return map[string]func() hash.Hash{
		"hmac-sha1": sha1.New, "hmac-sha224": sha256.New224, "hmac-sha256": sha256.New,
		"hmac-sha384": sha512.New384, "hmac-sha512": sha512.New,
	}[tail]
}

// open returns the value of a data element: the PlainValue, or the EncryptedValue after its MAC was verified.
func (l *pskcDecrypter) open(e *element) (v pskcValue, reason string, err error) {
	plain, encrypted := e.child(nsPSKC, "PlainValue"), e.child(nsPSKC, "EncryptedValue")
	mac := e.child(nsPSKC, "ValueMAC")
	for _, c := range []*element{plain, mac} {
		if c != nil && (len(c.children) > 0 || slices.ContainsFunc(c.attrs, func(a xml.Attr) bool { return !idleAttribute(a.Name) })) {
			return v, fmt.Sprintf("<%s> in <%s> has an unknown attribute or element", c.local, e.local), nil
		}
	}
	for _, c := range e.children {
		if c != plain && c != encrypted && c != mac {
			return v, fmt.Sprintf("<%s> has an unknown or repeated element <%s>", e.local, name(c.local)), nil
		}
	}
	switch {
	case plain != nil && encrypted != nil:
		return v, fmt.Sprintf("<%s> has both a plain and an encrypted value", e.local), nil
	case plain != nil:
		v.plain = plain.text
		if mac != nil {
			v.notes = append(v.notes, fmt.Sprintf("the MAC of the plain <%s> was not verified", e.local))
		}
		if e.local == "Secret" {
			v.secret, v.badSecret = l.plainSecret(plain.text)
		}
		return v, "", nil
	case encrypted == nil:
		return v, fmt.Sprintf("<%s> has no value", e.local), nil
	}
	v.encrypted = true
	v.secret, reason, err = l.decrypt(encrypted, mac, &v)
	if err == nil && reason == "" && e.local == "Secret" {
		v.secret, v.badSecret = l.writtenSecret(v.secret)
	}
	return v, reason, err
}

// writtenSecret examines a decrypted secret, which should be the bytes of the key. Some programs encrypt its printed characters
// instead, which would be a different key. Such a secret is refused unless the caller names their encoding. Digits alone are
// accepted, because they are the seeds in RFC 4226.
func (l *pskcDecrypter) writtenSecret(secret []byte) ([]byte, string) {
	text := string(secret)
	other := otherThanBase64(text)
	switch {
	case l.plainEncoding == Base64, other == "", strings.Trim(text, "0123456789") == "":
		return secret, ""
	case l.plainEncoding == other:
		decoded, _ := other.decode(text)
		return decoded, ""
	}
	return nil, fmt.Sprintf("the decrypted secret looks like %s text, but PSKC has the key's bytes there; give encode %s, "+
		"or BASE64 if these are the bytes", other, other)
}

// plainSecret decodes a PlainValue, which is base64 (RFC 6030, section 4.2). A few programs write hex or base32, which is also
// valid base64 but of other bytes. Therefore a value that looks like these is refused unless the caller names the encoding.
func (l *pskcDecrypter) plainSecret(text string) (secret []byte, reason string) {
	if l.plainEncoding != "" && l.plainEncoding != Base64 {
		secret, ok := l.plainEncoding.decode(text)
		if !ok {
			return nil, "the secret " + l.plainEncoding.fault(text)
		}
		return secret, ""
	}
	if l.plainEncoding != Base64 {
		if other := otherThanBase64(text); other != "" {
			return nil, fmt.Sprintf("the secret looks like %s, but PSKC has base64 there; give encode %s, or BASE64 if it is base64", other, other)
		}
	}
	secret, ok := Base64.decode(text)
	if !ok {
		return nil, "the secret " + Base64.fault(text)
	}
	return secret, ""
}

// decrypt decrypts an xenc:EncryptedDataType.
func (l *pskcDecrypter) decrypt(e, mac *element, v *pskcValue) (plain []byte, reason string, err error) {
	method := e.child(nsXENC, "EncryptionMethod")
	uri := method.attr("Algorithm")
	algorithm, known := pskcCiphers[uri]
	if !known {
		if l.refused != "" {
			return nil, "", unreadable(e.line, "%s", l.refused)
		}
		if uri == "" {
			return nil, "an encrypted value names no encryption method", nil
		}
		return nil, fmt.Sprintf("encryption method %s is not supported, only AES-CBC and AES-GCM", quoted(uri)), nil
	}
	data, bad := base64.StdEncoding.DecodeString(model.CleanPasted(e.child(nsXENC, "CipherData").child(nsXENC, "CipherValue").value()))
	if bad != nil || len(data) == 0 {
		return nil, "an encrypted value is not valid base64", nil
	}
	if algorithm.gcm {
		key, err := l.key(e.line, algorithm.keyBytes)
		if err != nil {
			return nil, "", err
		}
		l.opened = true
		plain, ok := openGCM(key, data)
		if !ok {
			return nil, "", wrongKey(e.line, "the password or key is wrong, or a value was altered")
		}
		return plain, "", nil
	}
	switch {
	case l.macHash == nil:
		return nil, "a value is encrypted with AES-CBC and the file has no MAC, which RFC 6030 requires", nil
	case mac == nil:
		return nil, "a value is encrypted with AES-CBC and has no ValueMAC, which RFC 6030 requires", nil
	}
	return l.openCBC(e, mac, algorithm.keyBytes, data, v)
}

// openCBC verifies the MAC and decrypts. RFC 6030 computes the MAC of the encrypted bytes. Some programs compute it of the plain
// bytes; this is accepted too, with a note.
func (l *pskcDecrypter) openCBC(e, mac *element, keyBytes int, data []byte, v *pskcValue) ([]byte, string, error) {
	want, bad := base64.StdEncoding.DecodeString(model.CleanPasted(mac.text))
	if bad != nil || len(want) == 0 {
		return nil, "a ValueMAC is not valid base64", nil
	}
	key, err := l.key(e.line, keyBytes)
	if err != nil {
		return nil, "", err
	}
	l.opened = true
	macKey, err := l.openMACKey(key)
	if err != nil {
		return nil, "", err
	}
	verified := func(b []byte) bool {
		h := hmac.New(l.macHash, macKey)
		h.Write(b)
		return hmac.Equal(h.Sum(nil), want)
	}
	overCipher := verified(data)
	plain, ok := decryptCBC(key, data)
	switch {
	case overCipher && ok:
		return plain, "", nil
	case !overCipher && ok && verified(plain):
		v.notes = append(v.notes, "the MAC is right, but it is over the plain value, which is not what RFC 6030 says")
		return plain, "", nil
	}
	return nil, "", wrongKey(e.line, "the password or key is wrong, or a value was altered: its MAC does not match")
}

// openMACKey decrypts the MAC key. If there is none, the MAC key is the encryption key.
func (l *pskcDecrypter) openMACKey(encryptionKey []byte) ([]byte, error) {
	switch {
	case l.macKey != nil:
		return l.macKey, nil
	case l.macCipher == nil:
		return encryptionKey, nil
	}
	uri := l.macCipher.child(nsXENC, "EncryptionMethod").attr("Algorithm")
	algorithm, known := pskcCiphers[uri]
	if !known {
		return nil, unreadable(l.macLine, "encryption method %s of the MAC key is not supported", quoted(uri))
	}
	data, bad := base64.StdEncoding.DecodeString(model.CleanPasted(l.macCipher.child(nsXENC, "CipherData").child(nsXENC, "CipherValue").value()))
	if bad != nil {
		return nil, unreadable(l.macLine, "the MAC key is not valid base64")
	}
	key, err := l.key(l.macLine, algorithm.keyBytes)
	if err != nil {
		return nil, err
	}
	open := decryptCBC
	if algorithm.gcm {
		open = openGCM
	}
	macKey, ok := open(key, data)
	if !ok || len(macKey) == 0 {
		return nil, wrongKey(l.macLine, "the password or key is wrong: the MAC key cannot be decrypted")
	}
	l.macKey = macKey
	return macKey, nil
}

// decryptCBC decrypts an initialization vector and blocks. The last byte of the padding is its length; the others are arbitrary
// (XML Encryption, section 5.2).
func decryptCBC(key, data []byte) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil || len(data) < 2*aes.BlockSize || len(data)%aes.BlockSize != 0 {
		return nil, false
	}
	plain := make([]byte, len(data)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, data[:aes.BlockSize]).CryptBlocks(plain, data[aes.BlockSize:])
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, false
	}
	return plain[:len(plain)-pad], true
}

// openGCM decrypts nonce, ciphertext and tag.
func openGCM(key, data []byte) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil || len(data) < gcm.NonceSize()+gcm.Overhead() {
		return nil, false
	}
	plain, err := gcm.Open(nil, data[:gcm.NonceSize()], data[gcm.NonceSize():], nil)
	return plain, err == nil
}
