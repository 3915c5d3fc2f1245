package seedfile

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"

	"tokensmith/model"
)

// Limits for a key derivation.
const (
	maxIterations = 1_000_000
	maxSalt       = 1024
)

// pskcDecrypter decrypts the values of a file. It derives the key, and decrypts the MAC key, when they are first needed.
type pskcDecrypter struct {
	password, preShared model.Secret
	plainEncoding       Encoding                // encoding of PlainValues if it is not that of the RFC, named by the caller
	slowly              func(work func()) error // see Options.Slowly

	keyName    string
	derivation *pskcDerivation
	refused    string           // why the encryption key of the file is not available
	keys       map[int][]byte   // derived keys by length
	macHash    func() hash.Hash // nil if the file names no MAC method
	macKey     []byte
	macCipher  *element // the encrypted MAC key
	macLine    int
	opened     bool // an encrypted value was opened
}

// pskcDerivation contains the parameters for deriving the encryption key from the password.
type pskcDerivation struct {
	salt       []byte
	iterations int
	keyBytes   int // 0 means the length that the cipher needs
	prf        func() hash.Hash
}

// setEncryption reads EncryptionKey. Something that is not supported is an error only if a value is encrypted.
func (l *pskcDecrypter) setEncryption(e *element) error {
	for _, c := range e.children {
		switch {
		case c.is(nsDS, "KeyName"):
			l.keyName = c.text
		case c.local == "DerivedKey":
			if err := l.setDerivation(c); err != nil {
				return err
			}
		default:
			l.refused = fmt.Sprintf("the file is encrypted for %s, which is not supported; only pre-shared keys and passwords are", name(c.local))
		}
	}
	return nil
}

func (l *pskcDecrypter) setDerivation(e *element) error {
	method := e.childNamed("KeyDerivationMethod")
	uri := method.attr("Algorithm")
	if uri != nsPKCS5+"pbkdf2" && uri != nsXENC11+"pbkdf2" {
		return unreadable(e.line, "key derivation %s is not supported, only PBKDF2", quoted(uri))
	}
	params := method.childNamed("PBKDF2-params")
	d := &pskcDerivation{prf: sha1.New}
	var err error
	d.salt, err = base64.StdEncoding.DecodeString(model.CleanPasted(params.childNamed("Salt").childNamed("Specified").value()))
	if err != nil || len(d.salt) == 0 || len(d.salt) > maxSalt {
		return unreadable(e.line, "the salt of the key derivation is missing or not valid")
	}
	count := params.childNamed("IterationCount").value()
	d.iterations, err = strconv.Atoi(count)
	if err != nil || d.iterations < 1 || d.iterations > maxIterations {
		return unreadable(e.line, "%s iterations are not supported, only 1 to %d", shown(count), maxIterations)
	}
	if length := params.childNamed("KeyLength").value(); length != "" {
		if d.keyBytes, err = strconv.Atoi(length); err != nil || d.keyBytes < 1 || d.keyBytes > 64 {
			return unreadable(e.line, "a derived key of %s bytes is not supported", shown(length))
		}
	}
	prf := params.childNamed("PRF")
	uri = prf.attr("Algorithm")
	if uri == "" {
		uri = prf.value() // the form of some programs
	}
	if uri != "" {
		if d.prf = pskcHash(uri); d.prf == nil {
			return unreadable(prf.line, "pseudo-random function %s is not supported", quoted(uri))
		}
	}
	l.derivation = d
	return nil
}

func (l *pskcDecrypter) setMAC(e *element) error {
	uri := e.attr("Algorithm")
	if l.macHash = pskcHash(uri); l.macHash == nil {
		return unreadable(e.line, "MAC method %s is not supported", quoted(uri))
	}
	l.macLine = e.line
	l.macCipher = e.child(nsPSKC, "MACKey")
	if ref := e.child(nsPSKC, "MACKeyReference"); ref != nil {
		return unreadable(e.line, "the file only names its MAC key (%s), which is not supported", quoted(ref.text))
	}
	return nil
}

// wrongKey returns the error for a wrong password or key.
func wrongKey(line int, format string, args ...any) error {
	e := unreadable(line, format, args...)
	e.Kind = model.FileKey
	return e
}

// key returns the encryption key for a cipher that needs n bytes.
func (l *pskcDecrypter) key(line, n int) ([]byte, error) {
	if k := l.keys[n]; k != nil {
		return k, nil
	}
	var k []byte
	switch d := l.derivation; {
	case d != nil && len(l.password) == 0:
		return nil, wrongKey(0, "the file is encrypted with a password, and none was given")
	case d != nil && d.keyBytes != 0 && d.keyBytes != n:
		return nil, unreadable(line, "the derived key has %d bytes, the encryption method needs %d", d.keyBytes, n)
	case d != nil:
		var err error
		derive := func() { k, err = pbkdf2.Key(d.prf, string(l.password), d.salt, d.iterations, n) }
		if l.slowly == nil {
			derive()
		} else if err := l.slowly(derive); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, &model.Error{Kind: model.Internal, Msg: "the key derivation failed", Err: err}
		}
	case l.refused != "":
		return nil, unreadable(line, "%s", l.refused)
	case len(l.preShared) == 0:
		which := ""
		if l.keyName != "" {
			which = " named " + quoted(l.keyName)
		}
		return nil, wrongKey(0, "the file is encrypted with a pre-shared key%s, and none was given", which)
	case len(l.preShared) != n:
		return nil, wrongKey(line, "the pre-shared key has %d bytes, the encryption method needs %d", len(l.preShared), n)
	default:
		k = l.preShared
	}
	if l.keys == nil {
		l.keys = map[int][]byte{}
	}
	l.keys[n] = k
	return k, nil
}
