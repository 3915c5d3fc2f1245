package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"software.sslmate.com/src/go-pkcs12"

	"tokensmith/model/modeltest"
)

// trusting returns the TLS configuration of a client that trusts only the built-in authority.
func trusting(ts *testscript.TestScript) *tls.Config {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ts.ReadFile("tokensmith.ca.pem"))) {
		ts.Fatalf("no authority")
	}
	return &tls.Config{RootCAs: pool}
}

// callWithPFX calls like a standard http.Client that has only a PKCS#12 file.
func callWithPFX(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: pfx FILE PASSWORD METHOD BODY")
	}
	key, cert, _, err := pkcs12.DecodeChain([]byte(ts.ReadFile(args[0])), args[1])
	ts.Check(err)
	config := trusting(ts)
	config.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: modeltest.Patience}
	callWith(ts, neg, client, args[2], args[3])
}

// callWithOAuth calls with golang.org/x/oauth2, which fetches its token by itself.
func callWithOAuth(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: oauth METHOD BODY")
	}
	plain := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(ts)}, Timeout: modeltest.Patience}
	config := clientcredentials.Config{ClientID: ts.Getenv("ID"), ClientSecret: ts.Getenv("SECRET"), TokenURL: ts.Getenv("URL") + "/das5/rest/oauth/token"}
	callWith(ts, neg, config.Client(context.WithValue(context.Background(), oauth2.HTTPClient, plain)), args[0], args[1])
}

func callWith(ts *testscript.TestScript, neg bool, client *http.Client, method, body string) {
	resp, err := client.Post(ts.Getenv("URL")+"/das5/rest/"+method, "application/json", strings.NewReader(body))
	if err != nil {
		if neg {
			fmt.Fprintln(ts.Stdout(), err)
			return
		}
		ts.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), string(reply))
	if (resp.StatusCode != http.StatusOK) != neg {
		ts.Fatalf("%s: %d %s", method, resp.StatusCode, reply)
	}
}
