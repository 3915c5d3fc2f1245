package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"sync"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"tokensmith/rpc/dispatch"
)

// The built-in certificate authority consists of two files beside the database, .ca.pem and .ca.key. It signs the server's own
// certificate, if none is given, and the certificates of agents. Names in certificates have no meaning: an agent is identified by
// the hash of its public key.

const (
	caYears     = 20
	serverYears = 10
	clientYears = 5
	clientBits  = 2048 // RSA key size; RSA, because every old client supports it
)

// keyPair is a certificate with its key.
type keyPair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// loadPair reads a certificate and its key from two PEM files.
func loadPair(certFile, keyFile string) (*keyPair, error) {
	pair, err := readPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: a key of this kind cannot sign", keyFile)
	}
	return &keyPair{pair.Leaf, signer}, nil
}

// readPair reads a certificate and its key. Errors name the files.
func readPair(certFile, keyFile string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	var failed *fs.PathError
	if err != nil && !errors.As(err, &failed) {
		err = fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	return pair, err
}

// save writes a pair beside the database. It writes the key first, so that there is never a certificate without its key.
func (d *database) save(p *keyPair, certFile, keyFile string) error {
	text, err := keyPEM(p.key)
	if err != nil {
		return err
	}
	for _, file := range []string{keyFile, certFile} {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			d.made = append(d.made, file)
		}
	}
	if err := writePrivate(keyFile, text, keyFile); err != nil {
		return err
	}
	return os.WriteFile(certFile, certPEM(p.cert), 0o644)
}

func keyPEM(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

var makingAuthority sync.Mutex

// authority returns the built-in certificate authority. If there is none, it is created.
func (d *database) authority(now time.Time) (*keyPair, error) {
	makingAuthority.Lock()
	defer makingAuthority.Unlock()
	certFile, keyFile := d.sidecar(".ca.pem"), d.sidecar(".ca.key")
	if ca, err := loadPair(certFile, keyFile); !errors.Is(err, fs.ErrNotExist) {
		return ca, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &keyPair{key: key}
	ca.cert, err = ca.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "tokensmith CA"}, IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, key.Public(), now, now.AddDate(caYears, 0, 0))
	if err != nil {
		return nil, err
	}
	return ca, d.save(ca, certFile, keyFile)
}

// sign issues a certificate. An authority without a certificate signs its own.
func (p *keyPair) sign(c *x509.Certificate, public crypto.PublicKey, now, until time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, now.Add(-time.Hour), until
	parent := p.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, p.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// client issues a certificate for an agent, with a new key.
func (p *keyPair) client(subject pkix.RDNSequence, now, until time.Time) (*keyPair, error) {
	key, err := rsa.GenerateKey(rand.Reader, clientBits)
	if err != nil {
		return nil, err
	}
	raw, err := asn1.Marshal(subject)
	if err != nil {
		return nil, err
	}
	cert, err := p.sign(&x509.Certificate{RawSubject: raw, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, key.Public(), now, until)
	return &keyPair{cert, key}, err
}

// certify issues a certificate for an agent that the server makes.
func (d *database) certify(subject pkix.RDNSequence, password string, now time.Time) (*dispatch.Certificate, error) {
	ca, err := d.authority(now)
	if err != nil {
		return nil, err
	}
	made, err := ca.client(subject, now, now.AddDate(clientYears, 0, 0))
	if err != nil {
		return nil, err
	}
	pfx, err := made.pfx(pkcs12.LegacyDES, ca, password)
	if err != nil {
		return nil, err
	}
	return &dispatch.Certificate{PEM: string(certPEM(made.cert)), Authority: string(certPEM(ca.cert)), KeyHash: spki(made.cert), PFX: pfx}, nil
}

// pfx returns a PKCS#12 file with a certificate, its key and its authority.
func (p *keyPair) pfx(encoder *pkcs12.Encoder, ca *keyPair, password string) ([]byte, error) {
	return encoder.Encode(p.key, p.cert, []*x509.Certificate{ca.cert}, password)
}

// selfMade returns the server's own certificate, which is stored beside the database. A new one is issued if it lacks one of the
// hosts, expires within a month, or was not signed by this authority.
func (d *database) selfMade(ca *keyPair, hosts []string, now time.Time) (certFile, keyFile string, err error) {
	certFile, keyFile = d.sidecar(".tls.pem"), d.sidecar(".tls.key")
	key := crypto.Signer(nil)
	if have, err := loadPair(certFile, keyFile); err == nil {
		good := now.AddDate(0, 1, 0).Before(have.cert.NotAfter) && have.cert.CheckSignatureFrom(ca.cert) == nil
		for _, h := range hosts {
			good = good && have.cert.VerifyHostname(h) == nil
		}
		if good {
			return certFile, keyFile, nil
		}
		key = have.key // keep the key, because clients may have pinned it
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	if key == nil {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return "", "", err
		}
	}
	c := &x509.Certificate{Subject: pkix.Name{CommonName: hosts[0]}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	cert, err := ca.sign(c, key.Public(), now, now.AddDate(serverYears, 0, 0))
	if err != nil {
		return "", "", err
	}
	return certFile, keyFile, d.save(&keyPair{cert, key}, certFile, keyFile)
}

// spki returns the SHA-256 of a certificate's public key, which identifies an agent.
func spki(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// fingerprint returns the SHA-256 of a certificate in the format of browsers and openssl.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return string(bytes.ToUpper(bytes.Join(hexPairs(sum[:]), []byte(":"))))
}

func hexPairs(b []byte) (pairs [][]byte) {
	for _, x := range b {
		pairs = append(pairs, fmt.Appendf(nil, "%02x", x))
	}
	return pairs
}
