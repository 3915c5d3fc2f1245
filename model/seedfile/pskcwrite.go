package seedfile

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"tokensmith/model"
)

// pskcIterations is the number of PBKDF2 rounds of files we write.
const pskcIterations = 600_000

// PSKCKeys is what locks a PSKC file: a key derived from a password, and a MAC key under it. Deriving takes a good part of
// a second, on purpose. A lock may serve several files.
type PSKCKeys struct {
	random io.Reader
	salt   []byte
	block  cipher.Block
	macKey []byte
}

// NewPSKCKeys derives a key from a password, which must not be empty. random gives the salt, the MAC key and the
// initialisation vectors: crypto/rand's Reader outside tests.
func NewPSKCKeys(password model.Secret, random io.Reader) (*PSKCKeys, error) {
	if len(password) == 0 {
		return nil, model.AttrErrorf(model.Missing, "attrs.password", "a PSKC file needs a password")
	}
	l := &PSKCKeys{random: random, salt: make([]byte, 16), macKey: make([]byte, sha256.Size)}
	for _, b := range [][]byte{l.salt, l.macKey} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, &model.Error{Kind: model.Internal, Msg: "no random bytes", Err: err}
		}
	}
	key, err := pbkdf2.Key(sha256.New, string(password), l.salt, pskcIterations, 32)
	if err == nil {
		l.block, err = aes.NewCipher(key)
	}
	if err != nil {
		return nil, &model.Error{Kind: model.Internal, Msg: "the key derivation failed", Err: err}
	}
	return l, nil
}

// PSKCWriter writes a PSKC file (RFC 6030) whose secrets are encrypted with AES-256-CBC under a key derived from a password
// (PBKDF2, HMAC-SHA-256, 600,000 rounds) and authenticated with HMAC-SHA-256. What is no secret is written plain.
type PSKCWriter struct {
	*PSKCKeys
	out  *bufio.Writer
	keys int
}

// NewPSKCWriter starts a file on w.
func NewPSKCWriter(w io.Writer, lock *PSKCKeys) (*PSKCWriter, error) {
	p := &PSKCWriter{PSKCKeys: lock, out: bufio.NewWriter(w)}
	macKey, err := p.encrypt(p.macKey)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(p.out, `<?xml version="1.0" encoding="UTF-8"?>
<pskc:KeyContainer Version="1.0" xmlns:pskc="%s" xmlns:xenc="%s" xmlns:xenc11="%s" xmlns:pkcs5="%s">
 <pskc:EncryptionKey>
  <xenc11:DerivedKey>
   <xenc11:KeyDerivationMethod Algorithm="%spbkdf2">
    <pkcs5:PBKDF2-params>
     <Salt><Specified>%s</Specified></Salt>
     <IterationCount>%d</IterationCount>
     <KeyLength>32</KeyLength>
     <PRF Algorithm="%s"/>
    </pkcs5:PBKDF2-params>
   </xenc11:KeyDerivationMethod>
  </xenc11:DerivedKey>
 </pskc:EncryptionKey>
 <pskc:MACMethod Algorithm="%s">
  <pskc:MACKey>%s</pskc:MACKey>
 </pskc:MACMethod>
`, nsPSKC, nsXENC, nsXENC11, nsPKCS5, nsPKCS5, base64.StdEncoding.EncodeToString(p.salt), pskcIterations, uriHMACSHA256, uriHMACSHA256, encryptedData(macKey))
	return p, nil
}

// WritePSKC writes keys as one PSKC file; see PSKCWriter.
func WritePSKC(w io.Writer, keys []Key, password model.Secret, random io.Reader) error {
	lock, err := NewPSKCKeys(password, random)
	if err != nil {
		return err
	}
	p, err := NewPSKCWriter(w, lock)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := p.Write(k); err != nil {
			return err
		}
	}
	return p.Close()
}

// Write adds a key. Its algorithm and digits must be known; the Id is KeyID, or else the serial. White space around
// texts is not kept, notes and the line are not written. A key that PSKC cannot hold is model.Invalid.
func (p *PSKCWriter) Write(k Key) error {
	id := k.KeyID
	if id == "" {
		id = k.Serial
	}
	var why string
	switch {
	case len(k.Secret) == 0:
		why = "it has no seed"
	case k.Algorithm != HOTP && k.Algorithm != TOTP:
		why = "its algorithm is not known"
	case k.Digits == 0:
		why = "its number of digits is not known"
	case id == "":
		why = "it has no serial"
	}
	for _, s := range []string{k.Serial, id, k.Manufacturer, k.Model, k.Issuer, k.User, k.Description} {
		if !isXMLText(s) {
			why = "it has a character that XML cannot hold"
		}
	}
	if why != "" {
		return model.Errorf(model.Invalid, "the key of token %s cannot be exported: %s", quoted(k.Serial), why)
	}
	secret, err := p.encrypt(k.Secret)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, p.macKey)
	mac.Write(secret)

	p.keys++
	p.puts(" <pskc:KeyPackage>\n")
	if k.Manufacturer+k.Serial+k.Model != "" {
		p.puts("  <pskc:DeviceInfo>")
		p.element("Manufacturer", k.Manufacturer)
		p.element("SerialNo", k.Serial)
		p.element("Model", k.Model)
		p.puts("</pskc:DeviceInfo>\n")
	}
	p.puts(`  <pskc:Key Id="`)
	p.escape(id)
	p.puts(`" Algorithm="` + nsPSKC + ":" + strings.ToLower(k.Algorithm) + `">`)
	p.element("Issuer", k.Issuer)
	p.puts("\n   <pskc:AlgorithmParameters>")
	if k.Hash != "" {
		p.element("Suite", strings.Replace(k.Hash, "HmacSHA", "HMAC-SHA", 1))
	}
	fmt.Fprintf(p.out, `<pskc:ResponseFormat Encoding="DECIMAL" Length="%d"/></pskc:AlgorithmParameters>`, k.Digits)
	p.element("FriendlyName", k.Description)
	fmt.Fprintf(p.out, "\n   <pskc:Data>\n    <pskc:Secret><pskc:EncryptedValue>%s</pskc:EncryptedValue><pskc:ValueMAC>%s</pskc:ValueMAC></pskc:Secret>\n   ",
		encryptedData(secret), base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	if k.Algorithm == HOTP {
		p.number("Counter", k.Counter)
	} else {
		p.number("Time", 0)
		if k.Period != 0 {
			p.number("TimeInterval", k.Period)
		}
		if k.Drift != 0 {
			p.number("TimeDrift", k.Drift)
		}
	}
	p.puts("\n   </pskc:Data>")
	p.element("UserId", k.User)
	p.puts("\n  </pskc:Key>\n </pskc:KeyPackage>\n")
	return nil
}

// Close ends the file and reports any error of writing it. A file must have a key.
func (p *PSKCWriter) Close() error {
	if p.keys == 0 {
		return model.Errorf(model.Invalid, "a PSKC file needs at least one key")
	}
	p.puts("</pskc:KeyContainer>\n")
	if err := p.out.Flush(); err != nil {
		return &model.Error{Kind: model.Internal, Msg: "the file cannot be written", Err: err}
	}
	return nil
}

func (p *PSKCWriter) puts(s string) { _, _ = p.out.WriteString(s) } // Close reports the error

func (p *PSKCWriter) escape(s string) { _ = xml.EscapeText(p.out, []byte(s)) }

// element writes an element of text, or nothing for no text.
func (p *PSKCWriter) element(local, text string) {
	if text == "" {
		return
	}
	p.puts("<pskc:" + local + ">")
	p.escape(text)
	p.puts("</pskc:" + local + ">")
}

func (p *PSKCWriter) number(local string, n int64) {
	fmt.Fprintf(p.out, " <pskc:%s><pskc:PlainValue>%d</pskc:PlainValue></pskc:%s>", local, n, local)
}

// encrypt answers initialisation vector and blocks, padded as XML Encryption has it.
func (p *PSKCKeys) encrypt(plain []byte) ([]byte, error) {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	out := make([]byte, aes.BlockSize+len(plain)+pad)
	if _, err := io.ReadFull(p.random, out[:aes.BlockSize]); err != nil {
		return nil, &model.Error{Kind: model.Internal, Msg: "no random bytes", Err: err}
	}
	copy(out[aes.BlockSize:], plain)
	for i := len(out) - pad; i < len(out); i++ {
		out[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(p.block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], out[aes.BlockSize:])
	return out, nil
}

func encryptedData(data []byte) string {
	return `<xenc:EncryptionMethod Algorithm="` + nsXENC + `aes256-cbc"/><xenc:CipherData><xenc:CipherValue>` +
		base64.StdEncoding.EncodeToString(data) + `</xenc:CipherValue></xenc:CipherData>`
}

// isXMLText tells whether XML 1.0 can hold every character of s.
func isXMLText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == utf8.RuneError {
			return false
		}
	}
	return true
}
