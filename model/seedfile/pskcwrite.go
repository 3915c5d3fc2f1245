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

	"tokensmith/model"
)

// pskcIterations is the number of PBKDF2 iterations for files that we write.
const pskcIterations = 600_000

// PSKCKeys contains the keys for writing encrypted PSKC files: one derived from a password, and a MAC key that is encrypted with
// it. Deriving takes a large part of a second on purpose. The keys may be used for several files.
type PSKCKeys struct {
	random io.Reader
	salt   []byte
	block  cipher.Block
	macKey []byte
}

// NewPSKCKeys derives a key from a password, which must not be empty. random is the source of the salt, the MAC key and the
// initialization vectors; outside tests it must be crypto/rand's Reader.
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

// PSKCWriter writes a PSKC file (RFC 6030). Its secrets are encrypted with AES-256-CBC, with a key derived from a password
// (PBKDF2, HMAC-SHA-256, 600,000 iterations), and authenticated with HMAC-SHA-256. Values that are not secret are written in
// plain text.
type PSKCWriter struct {
	*PSKCKeys
	out  *bufio.Writer
	keys int
}

// NewPSKCWriter begins a file on w.
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

// Write adds a key, whose algorithm and digits must be set. The Id is the KeyID or, if that is empty, the serial number. White
// space around texts is lost, and a character that XML does not allow becomes U+FFFD. Notes and the line number are not written.
// A key that PSKC cannot represent is model.Invalid.
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

// Close ends the file and returns the first error of writing it. A file must contain at least one key.
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

// element writes an element with a text. For an empty text it writes nothing.
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

// encrypt returns the initialization vector and the blocks, with the padding of XML Encryption.
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
